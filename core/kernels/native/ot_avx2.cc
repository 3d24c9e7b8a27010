// AES-NI: one block a register.
#include "ot.h"

#if defined(__AES__) && defined(__AVX2__)
#include <immintrin.h>

namespace adyton {
namespace {

#include "ot_keys_x86.h"

struct V {
  using Vec = __m128i;
  static constexpr int kBlocks = 1;
  static constexpr int kFlight = 8;

  static Vec load(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static void store(uint8_t* p, Vec v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
  static Vec counter(uint64_t block) { return _mm_set_epi64x(static_cast<long long>(__builtin_bswap64(block)), 0); }
  template <int kCount>
  static void encrypt(const uint8_t* roundKeys, const Vec* counters, Vec (&states)[kCount]) {
    const Vec first = load(roundKeys);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; i++) states[i] = counters[i] ^ first;
#pragma GCC unroll 9
    for (int round = 1; round < 10; round++) {
      const Vec key = load(roundKeys + 16 * round);
#pragma GCC unroll 8
      for (int i = 0; i < kCount; i++) states[i] = _mm_aesenc_si128(states[i], key);
    }
    const Vec last = load(roundKeys + 160);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; i++) states[i] = _mm_aesenclast_si128(states[i], last);
  }
};

#include "ot_sums.h"

const OtSet kSet = {expandKey, leafSums<V>};

}  // namespace

const OtSet* const kOtAvx2 = &kSet;

}  // namespace adyton
#else
namespace adyton {
const OtSet* const kOtAvx2 = nullptr;
}
#endif
