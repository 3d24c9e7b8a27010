// Eight residues at a time. Primes of at most 50 bits go through the 52-bit multiplier (IFMA); wider ones, to 60 bits,
// through 32-bit multiplications.
#include "he_blake.h"
#include "he_scalar.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512IFMA__)
#include <immintrin.h>

namespace adyton {
namespace {

using V = __m512i;

static inline V load(const uint64_t* p) { return _mm512_loadu_si512(p); }
static inline void store(uint64_t* p, V v) { _mm512_storeu_si512(p, v); }
static inline V all(uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
static inline V add(V a, V b) { return _mm512_add_epi64(a, b); }
static inline V sub(V a, V b) { return _mm512_sub_epi64(a, b); }
// x mod bound for x < 2 bound.
static inline V below(V x, V bound) { return _mm512_min_epu64(x, sub(x, bound)); }

// Multiplication by a constant w with its quotient floor(w 2^64 / q), for any 64-bit x and q < 2^60: x w mod q in
// [0, 4q). The low words' product is left out of the estimated quotient, which is too small by at most 2 and Shoup's 1.
struct Wide {
  static constexpr uint64_t kLazy = 4;
  V q, lazy;
  explicit Wide(uint64_t prime) : q(all(prime)), lazy(all(kLazy * prime)) {}

  V mul(V x, V w, V quotient) const {
    const V xh = _mm512_srli_epi64(x, 32), qh = _mm512_srli_epi64(quotient, 32);
    const V estimate = add(_mm512_mul_epu32(xh, qh), add(_mm512_srli_epi64(_mm512_mul_epu32(x, qh), 32),
                                                         _mm512_srli_epi64(_mm512_mul_epu32(xh, quotient), 32)));
    return sub(_mm512_mullo_epi64(x, w), _mm512_mullo_epi64(estimate, q));
  }
  V canonical(V x) const { return below(below(x, add(q, q)), q); }
};

// The same by IFMA, for x < 2^52 and q < 2^50: in [0, 2q).
struct Narrow {
  static constexpr uint64_t kLazy = 2;
  V q, lazy, minus, mask;
  explicit Narrow(uint64_t prime)
      : q(all(prime)), lazy(all(kLazy * prime)), minus(all((uint64_t{1} << 52) - prime)), mask(all((uint64_t{1} << 52) - 1)) {}

  V mul(V x, V w, V quotient) const {
    const V zero = _mm512_setzero_si512();
    const V estimate = _mm512_madd52hi_epu64(zero, x, _mm512_srli_epi64(quotient, 12));
    return _mm512_and_si512(_mm512_madd52lo_epu64(_mm512_madd52lo_epu64(zero, x, w), estimate, minus), mask);
  }
  V canonical(V x) const { return below(x, q); }
};

// Butterflies: a, b < 2 lazy in and out (forward), < lazy in and out (inverse).
template <class M>
static inline void forwardStep(const M& m, V& a, V& b, V w, V quotient) {
  const V u = below(a, m.lazy), v = m.mul(b, w, quotient);
  a = add(u, v);
  b = add(sub(u, v), m.lazy);
}

template <class M>
static inline void inverseStep(const M& m, V& a, V& b, V w, V quotient) {
  const V u = add(a, b), v = add(sub(a, b), m.lazy);
  a = below(u, m.lazy);
  b = m.mul(v, w, quotient);
}

static inline V pick(V a, V b, V places) { return _mm512_permutex2var_epi64(a, places, b); }

// The three stages within 16 neighbours. Roots of a stage with `groups` groups start at roots[groups].
struct Places {
  V four, two;          // spreads 2 or 4 roots over the lanes
  V first2, second2;    // halves of groups of 4, from halves of groups of 8
  V low, high;          // and back in order
  Places()
      : four(_mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1)),
        two(_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3)),
        first2(_mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13)),
        second2(_mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15)),
        low(_mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11)),
        high(_mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15)) {}
};

template <class M>
void forwardWith(const NttRing& ring, uint64_t* x) {
  const M m(ring.q);
  const size_t n = ring.n;
  size_t groups = 1;
  for (size_t half = n / 2; half >= 8; groups *= 2, half /= 2) {
    for (size_t g = 0; g < groups; g++) {
      const V w = all(ring.roots[groups + g]), quotient = all(ring.quotients[groups + g]);
      uint64_t* low = x + 2 * half * g;
      for (size_t j = 0; j < half; j += 8) {
        V a = load(low + j), b = load(low + half + j);
        forwardStep(m, a, b, w, quotient);
        store(low + j, a);
        store(low + half + j, b);
      }
    }
  }
  const Places at;
  for (size_t i = 0; i < n; i += 16) {
    const V c = load(x + i), d = load(x + i + 8);
    V a = _mm512_shuffle_i64x2(c, d, 0x44), b = _mm512_shuffle_i64x2(c, d, 0xee);
    size_t root = n / 8 + i / 8;
    forwardStep(m, a, b, _mm512_permutexvar_epi64(at.four, load(ring.roots + root)),
                _mm512_permutexvar_epi64(at.four, load(ring.quotients + root)));
    V e = pick(a, b, at.first2), f = pick(a, b, at.second2);
    root = n / 4 + i / 4;
    forwardStep(m, e, f, _mm512_permutexvar_epi64(at.two, load(ring.roots + root)),
                _mm512_permutexvar_epi64(at.two, load(ring.quotients + root)));
    a = _mm512_unpacklo_epi64(e, f);
    b = _mm512_unpackhi_epi64(e, f);
    root = n / 2 + i / 2;
    forwardStep(m, a, b, load(ring.roots + root), load(ring.quotients + root));
    a = m.canonical(below(a, m.lazy));
    b = m.canonical(below(b, m.lazy));
    const V g = _mm512_unpacklo_epi64(a, b), h = _mm512_unpackhi_epi64(a, b);
    store(x + i, pick(g, h, at.low));
    store(x + i + 8, pick(g, h, at.high));
  }
}

template <class M>
void inverseWith(const NttRing& ring, uint64_t* x) {
  const M m(ring.q);
  const size_t n = ring.n;
  const Places at;
  const V even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
  for (size_t i = 0; i < n; i += 16) {
    const V c = load(x + i), d = load(x + i + 8);
    V a = pick(c, d, even), b = pick(c, d, odd);
    size_t root = n / 2 + i / 2;
    inverseStep(m, a, b, load(ring.inverses + root), load(ring.inverseQuotients + root));
    V e = _mm512_unpacklo_epi64(a, b), f = _mm512_unpackhi_epi64(a, b);
    root = n / 4 + i / 4;
    inverseStep(m, e, f, _mm512_permutexvar_epi64(at.two, load(ring.inverses + root)),
                _mm512_permutexvar_epi64(at.two, load(ring.inverseQuotients + root)));
    a = pick(e, f, at.first2);
    b = pick(e, f, at.second2);
    root = n / 8 + i / 8;
    inverseStep(m, a, b, _mm512_permutexvar_epi64(at.four, load(ring.inverses + root)),
                _mm512_permutexvar_epi64(at.four, load(ring.inverseQuotients + root)));
    store(x + i, _mm512_shuffle_i64x2(a, b, 0x44));
    store(x + i + 8, _mm512_shuffle_i64x2(a, b, 0xee));
  }
  size_t half = 8;
  for (size_t groups = n / 16; groups > 1; groups /= 2, half *= 2) {
    for (size_t g = 0; g < groups; g++) {
      const V w = all(ring.inverses[groups + g]), quotient = all(ring.inverseQuotients[groups + g]);
      uint64_t* low = x + 2 * half * g;
      for (size_t j = 0; j < half; j += 8) {
        V a = load(low + j), b = load(low + half + j);
        inverseStep(m, a, b, w, quotient);
        store(low + j, a);
        store(low + half + j, b);
      }
    }
  }
  const V scale = all(ring.scale), scaleQuotient = all(ring.scaleQuotient);
  const V last = all(ring.last), lastQuotient = all(ring.lastQuotient);
  for (size_t j = 0; j < half; j += 8) {
    const V a = load(x + j), b = load(x + j + half);
    store(x + j, m.canonical(m.mul(add(a, b), scale, scaleQuotient)));
    store(x + j + half, m.canonical(m.mul(add(sub(a, b), m.lazy), last, lastQuotient)));
  }
}

// Of a sum of products: its residue, below q. Powers of two as constants for Wide::mul.
struct Power {
  V value, quotient;
  Power(const NttRing& ring, unsigned bits) {
    const uint64_t w = static_cast<uint64_t>((static_cast<unsigned __int128>(1) << bits) % ring.q);
    value = all(w);
    quotient = all(static_cast<uint64_t>((static_cast<unsigned __int128>(w) << 64) / ring.q));
  }
};

// Residues below 2^60 in limbs of 30 bits: eight products and their middle pairs stay below 2^64.
struct WideSum {
  static constexpr uint64_t kMask = (uint64_t{1} << 30) - 1;
  const Wide m;
  const Power one, middle, top;
  const V mask = all(kMask);
  struct Plain {
    V low, high;
  };
  struct Acc {
    V low = _mm512_setzero_si512(), middle = _mm512_setzero_si512(), high = _mm512_setzero_si512();
  };
  explicit WideSum(const NttRing& ring) : m(ring.q), one(ring, 0), middle(ring, 30), top(ring, 60) {}

  Plain split(V w) const { return {_mm512_and_si512(w, mask), _mm512_srli_epi64(w, 30)}; }
  void add(Acc& acc, V x, const Plain& w) const {
    const V low = _mm512_and_si512(x, mask), high = _mm512_srli_epi64(x, 30);
    acc.low = adyton::add(acc.low, _mm512_mul_epu32(low, w.low));
    acc.middle = adyton::add(acc.middle, adyton::add(_mm512_mul_epu32(low, w.high), _mm512_mul_epu32(high, w.low)));
    acc.high = adyton::add(acc.high, _mm512_mul_epu32(high, w.high));
  }
  // Twelve times q and an old sum are below 2^64.
  V reduce(const Acc& acc, V old) const {
    const V q = m.q, twice = adyton::add(q, q), four = adyton::add(twice, twice);
    V sum = adyton::add(m.mul(acc.low, one.value, one.quotient), m.mul(acc.middle, middle.value, middle.quotient));
    sum = adyton::add(adyton::add(sum, m.mul(acc.high, top.value, top.quotient)), old);
    sum = below(sum, adyton::add(four, four));
    return below(below(below(sum, four), twice), q);
  }
};

// Residues below 2^50: the multiplier adds the low and high 52 bits of each product.
struct NarrowSum {
  const Wide m;
  const Power one, top;
  using Plain = V;
  struct Acc {
    V low = _mm512_setzero_si512(), high = _mm512_setzero_si512();
  };
  explicit NarrowSum(const NttRing& ring) : m(ring.q), one(ring, 0), top(ring, 52) {}

  Plain split(V w) const { return w; }
  void add(Acc& acc, V x, Plain w) const {
    acc.low = _mm512_madd52lo_epu64(acc.low, x, w);
    acc.high = _mm512_madd52hi_epu64(acc.high, x, w);
  }
  V reduce(const Acc& acc, V old) const {
    const V q = m.q, twice = adyton::add(q, q), four = adyton::add(twice, twice);
    V sum = adyton::add(m.mul(acc.low, one.value, one.quotient), m.mul(acc.high, top.value, top.quotient));
    sum = below(adyton::add(sum, old), adyton::add(four, four));
    return below(below(below(sum, four), twice), q);
  }
};

template <class S>
bool accumulateWith(const Products& p) {
  const NttRing& ring = *p.ring;
  const S s(ring);
  __mmask8 bad = 0;
  for (size_t tile = 0; tile < p.tiles; tile++) {
    const uint64_t* in = p.inputs + tile * p.inputTile;
    uint64_t* sum = p.sums + tile * p.sumTile;
    for (size_t j = 0; j < ring.n; j += 8) {
      typename S::Acc first, second;
      for (size_t i = 0; i < p.count; i++) {
        const typename S::Plain w = s.split(load(p.plain + i * ring.n + j));
        const V x = load(in + i * p.inputBlock + j), y = load(in + i * p.inputBlock + p.inputPoly + j);
        bad |= _mm512_cmpge_epu64_mask(_mm512_max_epu64(x, y), s.m.q);
        s.add(first, x, w);
        s.add(second, y, w);
      }
      const V x = load(sum + j), y = load(sum + p.sumPoly + j);
      bad |= _mm512_cmpge_epu64_mask(_mm512_max_epu64(x, y), s.m.q);
      store(sum + j, s.reduce(first, x));
      store(sum + p.sumPoly + j, s.reduce(second, y));
    }
  }
  return bad == 0;
}

constexpr uint64_t kNarrow = uint64_t{1} << 50, kWide = uint64_t{1} << 60;

void forward(const NttRing& ring, uint64_t* x) {
  if (ring.q < kNarrow) return forwardWith<Narrow>(ring, x);
  if (ring.q < kWide) return forwardWith<Wide>(ring, x);
  scalarForward(ring, x);
}

void inverse(const NttRing& ring, uint64_t* x) {
  if (ring.q < kNarrow) return inverseWith<Narrow>(ring, x);
  if (ring.q < kWide) return inverseWith<Wide>(ring, x);
  scalarInverse(ring, x);
}

bool accumulate(const Products& p) {
  if (p.ring->q < kNarrow) return accumulateWith<NarrowSum>(p);
  if (p.ring->q < kWide) return accumulateWith<WideSum>(p);
  return scalarAccumulate(p);
}

void divide(const Division& d) {
  const NttRing& ring = *d.ring;
  if (ring.q >= kWide) return scalarDivide(d);
  const Wide m(ring.q);
  const V inverse = all(d.inverse), quotient = all(d.inverseQuotient), one = all(1), ratio = all(ring.ratioHigh);
  const V offset = add(all(d.half), m.lazy);
  for (size_t j = 0; j < ring.n; j += 8) {
    const V rest = m.mul(load(d.rest + j), one, ratio);
    store(d.out + j, m.canonical(m.mul(sub(add(load(d.in + j), offset), rest), inverse, quotient)));
  }
}

void liftAll(const NttRing& ring, const int32_t* from, uint64_t* x) {
  const V q = all(ring.q);
  for (size_t j = 0; j < ring.n; j += 8) {
    const V w = _mm512_cvtepi32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + j)));
    store(x + j, _mm512_min_epu64(w, add(w, q)));
  }
}

void addAll(const NttRing& ring, uint64_t* x, const uint64_t* y) {
  const V q = all(ring.q);
  for (size_t j = 0; j < ring.n; j += 8) store(x + j, below(add(load(x + j), load(y + j)), q));
}

void scale(const NttRing& ring, uint64_t* x, const uint64_t* w, const uint64_t* quotients) {
  if (ring.q >= kWide) return scalarScale(ring, x, w, quotients);
  const Wide m(ring.q);
  for (size_t j = 0; j < ring.n; j += 8) {
    store(x + j, m.canonical(m.mul(load(x + j), load(w + j), load(quotients + j))));
  }
}

bool reduced(const NttRing& ring, const uint64_t* x) {
  V most = _mm512_setzero_si512();
  for (size_t j = 0; j < ring.n; j += 8) most = _mm512_max_epu64(most, load(x + j));
  return _mm512_cmpge_epu64_mask(most, all(ring.q)) == 0;
}

void combine(const Combination& c, uint64_t* x) {
  const NttRing& ring = *c.ring;
  if (ring.q >= kWide) return scalarCombine(c, x);
  const Wide m(ring.q);
  const V offset = all(c.offset), inverse = all(c.inverse), quotient = all(c.inverseQuotient), twice = add(m.q, m.q);
  for (size_t j = 0; j < ring.n; j += 8) {
    const V error = _mm512_cvtepi32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(c.error + j)));
    const V message = m.mul(add(load(c.message + j), offset), inverse, quotient);
    const V sum = sub(add(message, twice), add(load(x + j), error));
    store(x + j, m.canonical(below(sum, m.lazy)));
  }
}

typedef uint64_t Lanes __attribute__((vector_size(64)));

const HeSet kSet = {forward, inverse, accumulate, divide,      liftAll,           addAll,
                    scale,   reduced, combine,    countErrors, blakeOutput<Lanes>};

}  // namespace

const HeSet* const kHeAvx512 = &kSet;

}  // namespace adyton
#else
namespace adyton {
const HeSet* const kHeAvx512 = nullptr;
}
#endif
