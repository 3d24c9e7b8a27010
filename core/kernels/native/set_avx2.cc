// AES-NI and AVX2.
#include "kernels.h"

#if defined(__AES__) && defined(__AVX2__)
#include <immintrin.h>

namespace adyton {
namespace {

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

  // Four keys are expanded at once, word by word; see set_vaes512.cc.
  template <int kKeys, int kEach>
  static void encrypt(const Vec (&keys)[kKeys], Vec (&states)[kKeys * kEach]) {
    constexpr int kGroups = (kKeys + 3) / 4;
    const Vec rotate = _mm_setr_epi8(1, 14, 11, 4, 5, 2, 15, 8, 9, 6, 3, 12, 13, 10, 7, 0);
    static constexpr int kRcon[10] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};
    Vec words[kGroups][4];
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; g++) {
      const auto key = [&](int i) { return keys[4 * g + i < kKeys ? 4 * g + i : 0]; };
      transposeWords(key(0), key(1), key(2), key(3), words[g]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kKeys * kEach; i++) states[i] ^= keys[i / kEach];
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
      const Vec rcon = _mm_set1_epi32(kRcon[round]);
#pragma GCC unroll 4
      for (int g = 0; g < kGroups; g++) {
        Vec(&w)[4] = words[g];
        w[0] ^= _mm_aesenclast_si128(_mm_shuffle_epi8(w[3], rotate), rcon);
        w[1] ^= w[0];
        w[2] ^= w[1];
        w[3] ^= w[2];
        Vec roundKeys[4];
        transposeWords(w[0], w[1], w[2], w[3], roundKeys);
#pragma GCC unroll 16
        for (int i = 0; i < 4 * kEach; i++) {
          if (4 * g * kEach + i >= kKeys * kEach) break;
          Vec& s = states[4 * g * kEach + i];
          s = round < 9 ? _mm_aesenc_si128(s, roundKeys[i / kEach]) : _mm_aesenclast_si128(s, roundKeys[i / kEach]);
        }
      }
    }
  }
  static void fence() { _mm_sfence(); }
};

#include "half_gates.h"

struct Lanes32 {
  using Word = uint32_t;
  static constexpr size_t kLanes = 8;
  static constexpr int kRows = 4;
  using Value = __m256i;
  using Sum = __m256i;
  using Weight = __m256i;

  static Sum zero() { return _mm256_setzero_si256(); }
  static Value value(const Word* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Weight weight(int32_t w) { return _mm256_set1_epi32(w); }
  static Sum multiplyAdd(Sum sum, Value v, Weight w) { return _mm256_add_epi32(sum, _mm256_mullo_epi32(v, w)); }
  static void store(Word* p, Sum sum) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), sum); }
};

// x = high * 2^32 + low with low taken as signed (and high raised by one where that made it negative), so that signed
// 32-bit multiplications give w * x = w * low + (w * high mod 2^32) * 2^32; the two sums meet only at the end.
struct Lanes64 {
  using Word = uint64_t;
  static constexpr size_t kLanes = 4;
  static constexpr int kRows = 2;
  struct Value {
    __m256i low;
    __m256i high;
  };
  using Sum = Value;
  using Weight = __m256i;

  static Sum zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Value value(const Word* p) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i sign = _mm256_srli_epi64(_mm256_slli_epi64(x, 32), 63);
    return {x, _mm256_add_epi64(_mm256_srli_epi64(x, 32), sign)};
  }
  static Weight weight(int32_t w) { return _mm256_set1_epi32(w); }
  static Sum multiplyAdd(Sum sum, Value v, Weight w) {
    return {_mm256_add_epi64(sum.low, _mm256_mul_epi32(v.low, w)),
            _mm256_add_epi64(sum.high, _mm256_mul_epi32(v.high, w))};
  }
  static void store(Word* p, Sum sum) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm256_add_epi64(sum.low, _mm256_slli_epi64(sum.high, 32)));
  }
};

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
