// VAES and AVX-512 (F, BW, DQ, VL): four labels a register.
#include "kernels.h"

#if defined(__VAES__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace adyton {
namespace {

#include "expand_keys.h"

struct V {
  using Vec = __m512i;
  static constexpr int kLanes = 4;
  static constexpr int kGarbleUnroll = 4;
  static constexpr int kEvaluateUnroll = 4;

  static Vec zero() { return _mm512_setzero_si512(); }
  static Vec broadcast(const uint8_t* p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static __mmask8 first(int lanes) { return static_cast<__mmask8>((1u << (2 * lanes)) - 1); }
  static Vec load(const uint8_t* p, int lanes) {
    return lanes == kLanes ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi64(first(lanes), p);
  }
  static void store(uint8_t* p, Vec v, int lanes) {
    if (lanes == kLanes) {
      _mm512_storeu_si512(p, v);
    } else {
      _mm512_mask_storeu_epi64(p, first(lanes), v);
    }
  }
  // Rows of one instance lie side by side: generator 0, evaluator 0, generator 1, ...
  static void storeRows(uint8_t* p, Vec generator, Vec evaluator, int lanes) {
    const Vec low = _mm512_permutex2var_epi64(generator, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), evaluator);
    const Vec high = _mm512_permutex2var_epi64(generator, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), evaluator);
    if (lanes == kLanes && (reinterpret_cast<uintptr_t>(p) & 63) == 0) {
      // Past the cache: a table is sent, not read again. addon.cc aligns the first row.
      _mm512_stream_si512(reinterpret_cast<__m512i*>(p), low);
      _mm512_stream_si512(reinterpret_cast<__m512i*>(p + 64), high);
      return;
    }
    store(p, low, lanes < 2 ? 2 * lanes : 4);
    if (lanes > 2) store(p + 64, high, 2 * lanes - 4);
  }
  static void loadRows(const uint8_t* p, Vec& generator, Vec& evaluator, int lanes) {
    const Vec low = load(p, lanes < 2 ? 2 * lanes : 4);
    const Vec high = lanes > 2 ? load(p + 64, 2 * lanes - 4) : zero();
    generator = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), high);
    evaluator = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15), high);
  }
  static Vec masked(Vec colourOf, Vec value) {
    const __mmask16 set = _mm512_test_epi32_mask(_mm512_shuffle_epi32(colourOf, _MM_PERM_AAAA), _mm512_set1_epi32(1));
    return _mm512_maskz_mov_epi32(set, value);
  }
  // key + 4u + (0, 1, 2, 3) as little-endian 128-bit integers; a wrapped low half carries into the high half.
  static Vec counter(Key128 key, int u) {
    const Vec base = _mm512_broadcast_i32x4(
        _mm_set_epi64x(static_cast<long long>(key.high), static_cast<long long>(key.low)));
    const long long i = 4 * u;
    const Vec step = _mm512_setr_epi64(i, 0, i + 1, 0, i + 2, 0, i + 3, 0);
    const Vec sum = _mm512_add_epi64(base, step);
    const __mmask8 carry = static_cast<__mmask8>(_mm512_cmplt_epu64_mask(sum, step) << 1);
    return _mm512_mask_add_epi64(sum, carry, sum, _mm512_set1_epi64(1));
  }

  // Transposes the 4 x 4 words of each lane: four keys side by side to their first, second, third and fourth words.
  static void transposeWords(Vec a, Vec b, Vec c, Vec d, Vec (&out)[4]) {
    const Vec t0 = _mm512_unpacklo_epi32(a, b), t1 = _mm512_unpackhi_epi32(a, b);
    const Vec t2 = _mm512_unpacklo_epi32(c, d), t3 = _mm512_unpackhi_epi32(c, d);
    out[0] = _mm512_unpacklo_epi64(t0, t2);
    out[1] = _mm512_unpackhi_epi64(t0, t2);
    out[2] = _mm512_unpacklo_epi64(t1, t3);
    out[3] = _mm512_unpackhi_epi64(t1, t3);
  }

  static void nextKey(Vec (&w)[4], int rcon) {
    const Vec rotate = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kRotate)));
    const Vec sub = _mm512_aesenclast_epi128(_mm512_shuffle_epi8(w[3], rotate), _mm512_set1_epi32(rcon));
    // As addRunning, with three operands at once.
    const Vec three = _mm512_ternarylogic_epi64(w[0], w[1], w[2], 0x96);
    w[3] = _mm512_ternarylogic_epi64(three, w[3], sub, 0x96);
    w[2] = three ^ sub;
    w[1] = _mm512_ternarylogic_epi64(w[0], w[1], sub, 0x96);
    w[0] = w[0] ^ sub;
  }
  static Vec addKey(Vec s, Vec roundKey, int round) {
    return round == 0   ? s ^ roundKey
           : round < 10 ? _mm512_aesenc_epi128(s, roundKey)
                        : _mm512_aesenclast_epi128(s, roundKey);
  }
  template <int kKeys, int kEach>
  static void encrypt(const Vec (&keys)[kKeys], Vec (&states)[kKeys * kEach]) {
    encryptExpanding<V, kKeys, kEach>(keys, states);
  }
  static void fence() { _mm_sfence(); }
};

#include "half_gates.h"

struct Lanes32 {
  using Word = uint32_t;
  static constexpr size_t kLanes = 16;
  static constexpr int kRows = 8;
  using Value = __m512i;
  using Sum = __m512i;
  using Weight = __m512i;

  static Sum zero() { return _mm512_setzero_si512(); }
  static Value value(const Word* p) { return _mm512_loadu_si512(p); }
  static Weight weight(int32_t w) { return _mm512_set1_epi32(w); }
  static Sum multiplyAdd(Sum sum, Value v, Weight w) { return _mm512_add_epi32(sum, _mm512_mullo_epi32(v, w)); }
  static void store(Word* p, Sum sum) { _mm512_storeu_si512(p, sum); }
};

struct Lanes64 {
  using Word = uint64_t;
  static constexpr size_t kLanes = 8;
  static constexpr int kRows = 8;
  using Value = __m512i;
  using Sum = __m512i;
  using Weight = __m512i;

  static Sum zero() { return _mm512_setzero_si512(); }
  static Value value(const Word* p) { return _mm512_loadu_si512(p); }
  static Weight weight(int32_t w) { return _mm512_set1_epi64(w); }
  static Sum multiplyAdd(Sum sum, Value v, Weight w) { return _mm512_add_epi64(sum, _mm512_mullo_epi64(v, w)); }
  static void store(Word* p, Sum sum) { _mm512_storeu_si512(p, sum); }
};

#include "product.h"

const InstructionSet kSet = {run<V, true>,         run<V, false>,
                             product<Lanes32>,     product<Lanes64>,
                             matvec<uint32_t, int32_t>, matvec<uint64_t, int64_t>};

}  // namespace

const InstructionSet* const kVaes512 = &kSet;

}  // namespace adyton
#else
namespace adyton {
const InstructionSet* const kVaes512 = nullptr;
}
#endif
