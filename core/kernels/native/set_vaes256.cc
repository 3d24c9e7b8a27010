// VAES and AVX2, two labels a register: processors with VAES but no AVX-512 (Intel since Alder Lake, AMD Zen 3).
#include "kernels.h"

#if defined(__VAES__) && defined(__AVX2__)
#include <immintrin.h>

namespace adyton {
namespace {

#include "expand_keys.h"

struct V {
  using Vec = __m256i;
  static constexpr int kLanes = 2;
  static constexpr int kGarbleUnroll = 4;
  static constexpr int kEvaluateUnroll = 4;

  static Vec zero() { return _mm256_setzero_si256(); }
  static __m128i load128(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static Vec broadcast(const uint8_t* p) { return _mm256_broadcastsi128_si256(load128(p)); }
  static Vec load(const uint8_t* p, int lanes) {
    return lanes == kLanes ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                           : _mm256_zextsi128_si256(load128(p));
  }
  static void store(uint8_t* p, Vec v, int lanes) {
    if (lanes == kLanes) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(v));
    }
  }
  // Rows of one instance lie side by side: generator 0, evaluator 0, generator 1, evaluator 1.
  static void storeRows(uint8_t* p, Vec generator, Vec evaluator, int lanes) {
    const Vec first = _mm256_permute2x128_si256(generator, evaluator, 0x20);
    const Vec second = _mm256_permute2x128_si256(generator, evaluator, 0x31);
    if (lanes == kLanes && (reinterpret_cast<uintptr_t>(p) & 31) == 0) {
      // Past the cache: a table is sent, not read again. addon.cc aligns the first row.
      _mm256_stream_si256(reinterpret_cast<__m256i*>(p), first);
      _mm256_stream_si256(reinterpret_cast<__m256i*>(p + 32), second);
      return;
    }
    store(p, first, kLanes);
    if (lanes == kLanes) store(p + 32, second, kLanes);
  }
  static void loadRows(const uint8_t* p, Vec& generator, Vec& evaluator, int lanes) {
    const Vec first = load(p, kLanes);
    const Vec second = lanes == kLanes ? load(p + 32, kLanes) : zero();
    generator = _mm256_permute2x128_si256(first, second, 0x20);
    evaluator = _mm256_permute2x128_si256(first, second, 0x31);
  }
  static Vec masked(Vec colourOf, Vec value) {
    const Vec sign = _mm256_srai_epi32(_mm256_slli_epi32(_mm256_shuffle_epi32(colourOf, 0), 31), 31);
    return _mm256_and_si256(sign, value);
  }
  static Vec counter(Key128 key, int u) {
    const Key128 a = add128(key, static_cast<uint64_t>(2 * u)), b = add128(key, static_cast<uint64_t>(2 * u + 1));
    return _mm256_setr_epi64x(static_cast<long long>(a.low), static_cast<long long>(a.high),
                              static_cast<long long>(b.low), static_cast<long long>(b.high));
  }

  static void transposeWords(Vec a, Vec b, Vec c, Vec d, Vec (&out)[4]) {
    const Vec t0 = _mm256_unpacklo_epi32(a, b), t1 = _mm256_unpackhi_epi32(a, b);
    const Vec t2 = _mm256_unpacklo_epi32(c, d), t3 = _mm256_unpackhi_epi32(c, d);
    out[0] = _mm256_unpacklo_epi64(t0, t2);
    out[1] = _mm256_unpackhi_epi64(t0, t2);
    out[2] = _mm256_unpacklo_epi64(t1, t3);
    out[3] = _mm256_unpackhi_epi64(t1, t3);
  }
  static void nextKey(Vec (&w)[4], int rcon) {
    const Vec rotate = _mm256_broadcastsi128_si256(load128(kRotate));
    addRunning(w, _mm256_aesenclast_epi128(_mm256_shuffle_epi8(w[3], rotate), _mm256_set1_epi32(rcon)));
  }
  static Vec addKey(Vec s, Vec roundKey, int round) {
    return round == 0   ? s ^ roundKey
           : round < 10 ? _mm256_aesenc_epi128(s, roundKey)
                        : _mm256_aesenclast_epi128(s, roundKey);
  }
  template <int kKeys, int kEach>
  static void encrypt(const Vec (&keys)[kKeys], Vec (&states)[kKeys * kEach]) {
    encryptExpanding<V, kKeys, kEach>(keys, states);
  }
  static void fence() { _mm_sfence(); }
};

#include "half_gates.h"

#include "avx2_product.h"
#include "product.h"

const InstructionSet kSet = {run<V, true>,         run<V, false>,
                             product<Lanes32>,     product<Lanes64>,
                             matvec<uint32_t, int32_t>, matvec<uint64_t, int64_t>};

}  // namespace

const InstructionSet* const kVaes256 = &kSet;

}  // namespace adyton
#else
namespace adyton {
const InstructionSet* const kVaes256 = nullptr;
}
#endif
