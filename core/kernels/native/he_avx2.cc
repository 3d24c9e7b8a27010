// Four residues at a time, 64-bit products made of 32-bit ones; primes above 60 bits in scalar code.
#include "he_blake.h"
#include "he_scalar.h"

#if defined(__x86_64__) && defined(__AVX2__)
#include <immintrin.h>

namespace adyton {
namespace {

using V = __m256i;

static inline V load(const uint64_t* p) { return _mm256_loadu_si256(reinterpret_cast<const V*>(p)); }
static inline void store(uint64_t* p, V v) { _mm256_storeu_si256(reinterpret_cast<V*>(p), v); }
static inline V all(uint64_t x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
static inline V add(V a, V b) { return _mm256_add_epi64(a, b); }
static inline V sub(V a, V b) { return _mm256_sub_epi64(a, b); }
static inline V high(V a) { return _mm256_srli_epi64(a, 32); }
static inline V mul32(V a, V b) { return _mm256_mul_epu32(a, b); }
// x mod bound for x < 2 bound, both below 2^63: the difference's sign chooses.
static inline V below(V x, V bound) {
  const __m256d rest = _mm256_castsi256_pd(sub(x, bound));
  return _mm256_castpd_si256(_mm256_blendv_pd(rest, _mm256_castsi256_pd(x), rest));
}

// A constant of a product, and its quotient floor(w 2^64 / q); high halves aside.
struct Root {
  V w, wHigh, quotient, quotientHigh;
  Root(V value, V itsQuotient) : w(value), wHigh(high(value)), quotient(itsQuotient), quotientHigh(high(itsQuotient)) {}
};

struct Prime {
  V q, qHigh, twice, lazy;
  explicit Prime(uint64_t prime) : q(all(prime)), qHigh(high(q)), twice(all(2 * prime)), lazy(all(4 * prime)) {}

  // x w mod q in [0, 4q) for any 64-bit x: the low words' product is left out of the estimated quotient, which is too
  // small by at most 2 and Shoup's 1.
  V mul(V x, const Root& r) const {
    const V xh = high(x);
    const V estimate =
        add(mul32(xh, r.quotientHigh), add(high(mul32(x, r.quotientHigh)), high(mul32(xh, r.quotient))));
    const V cross = sub(add(mul32(x, r.wHigh), mul32(xh, r.w)), add(mul32(estimate, qHigh), mul32(high(estimate), q)));
    return add(sub(mul32(x, r.w), mul32(estimate, q)), _mm256_slli_epi64(cross, 32));
  }
  V canonical(V x) const { return below(below(x, twice), q); }
};

// a, b < 8q in and out.
static inline void forwardStep(const Prime& m, V& a, V& b, const Root& r) {
  const V u = below(a, m.lazy), v = m.mul(b, r);
  a = add(u, v);
  b = add(sub(u, v), m.lazy);
}

// a, b < 4q in and out.
static inline void inverseStep(const Prime& m, V& a, V& b, const Root& r) {
  const V u = add(a, b), v = add(sub(a, b), m.lazy);
  a = below(u, m.lazy);
  b = m.mul(v, r);
}

// Two roots, each for two neighbours.
static inline V spread(const uint64_t* p) {
  return _mm256_permute4x64_epi64(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 0x50);
}
static inline V lowHalves(V a, V b) { return _mm256_permute2x128_si256(a, b, 0x20); }
static inline V highHalves(V a, V b) { return _mm256_permute2x128_si256(a, b, 0x31); }

void forward(const NttRing& ring, uint64_t* x) {
  if (ring.q >> 60 != 0) return scalarForward(ring, x);
  const Prime m(ring.q);
  const size_t n = ring.n;
  size_t groups = 1;
  for (size_t half = n / 2; half >= 4; groups *= 2, half /= 2) {
    for (size_t g = 0; g < groups; g++) {
      const Root r(all(ring.roots[groups + g]), all(ring.quotients[groups + g]));
      uint64_t* low = x + 2 * half * g;
      for (size_t j = 0; j < half; j += 4) {
        V a = load(low + j), b = load(low + half + j);
        forwardStep(m, a, b, r);
        store(low + j, a);
        store(low + half + j, b);
      }
    }
  }
  for (size_t i = 0; i < n; i += 8) {
    const V c = load(x + i), d = load(x + i + 4);
    V a = lowHalves(c, d), b = highHalves(c, d);
    size_t root = n / 4 + i / 4;
    forwardStep(m, a, b, Root(spread(ring.roots + root), spread(ring.quotients + root)));
    V e = _mm256_unpacklo_epi64(a, b), f = _mm256_unpackhi_epi64(a, b);
    root = n / 2 + i / 2;
    forwardStep(m, e, f, Root(load(ring.roots + root), load(ring.quotients + root)));
    e = m.canonical(below(e, m.lazy));
    f = m.canonical(below(f, m.lazy));
    a = _mm256_unpacklo_epi64(e, f);
    b = _mm256_unpackhi_epi64(e, f);
    store(x + i, lowHalves(a, b));
    store(x + i + 4, highHalves(a, b));
  }
}

void inverse(const NttRing& ring, uint64_t* x) {
  if (ring.q >> 60 != 0) return scalarInverse(ring, x);
  const Prime m(ring.q);
  const size_t n = ring.n;
  for (size_t i = 0; i < n; i += 8) {
    const V c = load(x + i), d = load(x + i + 4), g = lowHalves(c, d), h = highHalves(c, d);
    V a = _mm256_unpacklo_epi64(g, h), b = _mm256_unpackhi_epi64(g, h);
    size_t root = n / 2 + i / 2;
    inverseStep(m, a, b, Root(load(ring.inverses + root), load(ring.inverseQuotients + root)));
    V e = _mm256_unpacklo_epi64(a, b), f = _mm256_unpackhi_epi64(a, b);
    root = n / 4 + i / 4;
    inverseStep(m, e, f, Root(spread(ring.inverses + root), spread(ring.inverseQuotients + root)));
    store(x + i, lowHalves(e, f));
    store(x + i + 4, highHalves(e, f));
  }
  size_t half = 4;
  for (size_t groups = n / 8; groups > 1; groups /= 2, half *= 2) {
    for (size_t g = 0; g < groups; g++) {
      const Root r(all(ring.inverses[groups + g]), all(ring.inverseQuotients[groups + g]));
      uint64_t* low = x + 2 * half * g;
      for (size_t j = 0; j < half; j += 4) {
        V a = load(low + j), b = load(low + half + j);
        inverseStep(m, a, b, r);
        store(low + j, a);
        store(low + half + j, b);
      }
    }
  }
  const Root scale(all(ring.scale), all(ring.scaleQuotient)), last(all(ring.last), all(ring.lastQuotient));
  for (size_t j = 0; j < half; j += 4) {
    const V a = load(x + j), b = load(x + j + half);
    store(x + j, m.canonical(m.mul(add(a, b), scale)));
    store(x + j + half, m.canonical(m.mul(add(sub(a, b), m.lazy), last)));
  }
}

// 2^bits mod q as a constant.
Root power(const NttRing& ring, unsigned bits) {
  const uint64_t w = static_cast<uint64_t>((static_cast<unsigned __int128>(1) << bits) % ring.q);
  return {all(w), all(static_cast<uint64_t>((static_cast<unsigned __int128>(w) << 64) / ring.q))};
}

// Limbs of 30 bits: eight products and their middle pairs stay below 2^64.
struct Sum {
  V low = _mm256_setzero_si256(), middle = _mm256_setzero_si256(), top = _mm256_setzero_si256();

  void add(V x, V mask, V wLow, V wHigh) {
    const V xLow = _mm256_and_si256(x, mask), xHigh = _mm256_srli_epi64(x, 30);
    low = adyton::add(low, mul32(xLow, wLow));
    middle = adyton::add(middle, adyton::add(mul32(xLow, wHigh), mul32(xHigh, wLow)));
    top = adyton::add(top, mul32(xHigh, wHigh));
  }
};

bool accumulate(const Products& p) {
  const NttRing& ring = *p.ring;
  if (ring.q >> 60 != 0) return scalarAccumulate(p);
  const Prime m(ring.q);
  const Root one = power(ring, 0), middle = power(ring, 30), top = power(ring, 60);
  const V mask = all((uint64_t{1} << 30) - 1), largest = all(ring.q - 1);
  // The sign of q - 1 - x, or of x, shows an x that is not below q.
  V over = _mm256_setzero_si256();
  const auto check = [&](V x) { over = _mm256_or_si256(over, _mm256_or_si256(sub(largest, x), x)); };
  const auto reduce = [&](const Sum& sum, V old) {
    V total = below(add(m.mul(sum.low, one), m.mul(sum.middle, middle)), m.lazy);
    total = add(below(add(total, m.mul(sum.top, top)), m.lazy), old);
    return m.canonical(below(total, m.lazy));
  };
  for (size_t tile = 0; tile < p.tiles; tile++) {
    for (size_t poly = 0; poly < 2; poly++) {
      const uint64_t* in = p.inputs + tile * p.inputTile + poly * p.inputPoly;
      uint64_t* sum = p.sums + tile * p.sumTile + poly * p.sumPoly;
      // A whole cache line at a time: the polynomials lie a power of two apart and push each other out of the cache.
      for (size_t j = 0; j < ring.n; j += 8) {
        Sum first, second;
        for (size_t i = 0; i < p.count; i++) {
          const uint64_t* plain = p.plain + i * ring.n + j;
          const uint64_t* from = in + i * p.inputBlock + j;
          const V x = load(from), y = load(from + 4), w = load(plain), v = load(plain + 4);
          check(x);
          check(y);
          first.add(x, mask, _mm256_and_si256(w, mask), _mm256_srli_epi64(w, 30));
          second.add(y, mask, _mm256_and_si256(v, mask), _mm256_srli_epi64(v, 30));
        }
        const V x = load(sum + j), y = load(sum + j + 4);
        check(x);
        check(y);
        store(sum + j, reduce(first, x));
        store(sum + j + 4, reduce(second, y));
      }
    }
  }
  return _mm256_movemask_pd(_mm256_castsi256_pd(over)) == 0;
}

void divide(const Division& d) {
  const NttRing& ring = *d.ring;
  if (ring.q >> 60 != 0) return scalarDivide(d);
  const Prime m(ring.q);
  const Root inverse(all(d.inverse), all(d.inverseQuotient)), one(all(1), all(ring.ratioHigh));
  const V offset = add(all(d.half), m.lazy);
  for (size_t j = 0; j < ring.n; j += 4) {
    const V rest = m.mul(load(d.rest + j), one);
    store(d.out + j, m.canonical(m.mul(sub(add(load(d.in + j), offset), rest), inverse)));
  }
}

void scale(const NttRing& ring, uint64_t* x, const uint64_t* w, const uint64_t* quotients) {
  if (ring.q >> 60 != 0) return scalarScale(ring, x, w, quotients);
  const Prime m(ring.q);
  for (size_t j = 0; j < ring.n; j += 4) {
    store(x + j, m.canonical(m.mul(load(x + j), Root(load(w + j), load(quotients + j)))));
  }
}

void combine(const Combination& c, uint64_t* x) {
  const NttRing& ring = *c.ring;
  if (ring.q >> 60 != 0) return scalarCombine(c, x);
  const Prime m(ring.q);
  const V offset = all(c.offset);
  const Root inverse(all(c.inverse), all(c.inverseQuotient));
  for (size_t j = 0; j < ring.n; j += 4) {
    const V error = _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(c.error + j)));
    const V message = m.mul(add(load(c.message + j), offset), inverse);
    const V sum = sub(add(message, m.twice), add(load(x + j), error));
    store(x + j, m.canonical(below(sum, m.lazy)));
  }
}

typedef uint64_t Lanes __attribute__((vector_size(32)));

const HeSet kSet = {forward, inverse,       accumulate, divide,      scalarLift,        scalarAdd,
                    scale,   scalarReduced, combine,    countErrors, blakeOutput<Lanes>};

}  // namespace

const HeSet* const kHeAvx2 = &kSet;

}  // namespace adyton
#else
namespace adyton {
const HeSet* const kHeAvx2 = nullptr;
}
#endif
