// AES-NI and AVX2.
#include "kernels.h"

#if defined(__AES__) && defined(__AVX2__)
#include <immintrin.h>

namespace adyton {
namespace {

#include "expand_keys.h"

struct V {
  using Vec = __m128i;
  static constexpr int kLanes = 1;
  static constexpr int kGarbleUnroll = 4;
  static constexpr int kEvaluateUnroll = 4;

  static Vec zero() { return _mm_setzero_si128(); }
  static Vec broadcast(const uint8_t* p) { return load(p, 1); }
  static Vec load(const uint8_t* p, int) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static void store(uint8_t* p, Vec v, int) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
  static void storeRows(uint8_t* p, Vec generator, Vec evaluator, int) {
    if ((reinterpret_cast<uintptr_t>(p) & 15) == 0) {
      // Past the cache: a table is sent, not read again. addon.cc aligns tables.
      _mm_stream_si128(reinterpret_cast<__m128i*>(p), generator);
      _mm_stream_si128(reinterpret_cast<__m128i*>(p + 16), evaluator);
    } else {
      store(p, generator, 1);
      store(p + 16, evaluator, 1);
    }
  }
  static void loadRows(const uint8_t* p, Vec& generator, Vec& evaluator, int) {
    generator = load(p, 1);
    evaluator = load(p + 16, 1);
  }
  static Vec masked(Vec colourOf, Vec value) {
    const Vec sign = _mm_srai_epi32(_mm_slli_epi32(_mm_shuffle_epi32(colourOf, 0), 31), 31);
    return _mm_and_si128(sign, value);
  }
  static Vec counter(Key128 key, int u) {
    const Key128 sum = add128(key, static_cast<uint64_t>(u));
    return _mm_set_epi64x(static_cast<long long>(sum.high), static_cast<long long>(sum.low));
  }

  // Transposes the 4 x 4 words: four keys to their first, second, third and fourth words.
  static void transposeWords(Vec a, Vec b, Vec c, Vec d, Vec (&out)[4]) {
    const Vec t0 = _mm_unpacklo_epi32(a, b), t1 = _mm_unpackhi_epi32(a, b);
    const Vec t2 = _mm_unpacklo_epi32(c, d), t3 = _mm_unpackhi_epi32(c, d);
    out[0] = _mm_unpacklo_epi64(t0, t2);
    out[1] = _mm_unpackhi_epi64(t0, t2);
    out[2] = _mm_unpacklo_epi64(t1, t3);
    out[3] = _mm_unpackhi_epi64(t1, t3);
  }

  static void nextKey(Vec (&w)[4], int rcon) {
    const Vec rotate = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kRotate));
    addRunning(w, _mm_aesenclast_si128(_mm_shuffle_epi8(w[3], rotate), _mm_set1_epi32(rcon)));
  }
  static Vec addKey(Vec s, Vec roundKey, int round) {
    return round == 0 ? s ^ roundKey : round < 10 ? _mm_aesenc_si128(s, roundKey) : _mm_aesenclast_si128(s, roundKey);
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

const InstructionSet* const kAvx2 = &kSet;

}  // namespace adyton
#else
namespace adyton {
const InstructionSet* const kAvx2 = nullptr;
}
#endif
