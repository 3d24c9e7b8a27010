// VAES and AVX-512: four blocks a register.
#include "ot.h"

#if defined(__VAES__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace adyton {
namespace {

#include "ot_keys_x86.h"

struct V {
  using Vec = __m512i;
  static constexpr int kBlocks = 4;
  static constexpr int kFlight = 4;

  static Vec load(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static void store(uint8_t* p, Vec v) { _mm512_storeu_si512(p, v); }
  static Vec counter(uint64_t block) {
    const auto at = [&](uint64_t i) { return static_cast<long long>(__builtin_bswap64(block + i)); };
    return _mm512_setr_epi64(0, at(0), 0, at(1), 0, at(2), 0, at(3));
  }
  static Vec key(const uint8_t* p) {
    return _mm512_maskz_broadcast_i32x4(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  template <int kCount>
  static void encrypt(const uint8_t* roundKeys, const Vec* counters, Vec (&states)[kCount]) {
    const Vec first = key(roundKeys);
#pragma GCC unroll 4
    for (int i = 0; i < kCount; i++) states[i] = counters[i] ^ first;
#pragma GCC unroll 9
    for (int round = 1; round < 10; round++) {
      const Vec k = key(roundKeys + 16 * round);
#pragma GCC unroll 4
      for (int i = 0; i < kCount; i++) states[i] = _mm512_aesenc_epi128(states[i], k);
    }
    const Vec last = key(roundKeys + 160);
#pragma GCC unroll 4
    for (int i = 0; i < kCount; i++) states[i] = _mm512_aesenclast_epi128(states[i], last);
  }
};

#include "ot_sums.h"

const OtSet kSet = {expandKey, leafSums<V>};

}  // namespace

const OtSet* const kOtVaes512 = &kSet;

}  // namespace adyton
#else
namespace adyton {
const OtSet* const kOtVaes512 = nullptr;
}
#endif
