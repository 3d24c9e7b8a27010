// The transforms and products in 64-bit scalar code: Harvey's lazy butterflies (Harvey 2014, "Faster arithmetic for
// number-theoretic transforms") with Shoup's precomputed quotients. Static, see kernels.h.
#pragma once

#include "he.h"

#include <cstring>

namespace adyton {

static inline uint64_t mulHigh(uint64_t x, uint64_t y) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(x) * y >> 64);
}

// x w mod q in [0, 2q), for any x.
static inline uint64_t mulLazy(uint64_t x, uint64_t w, uint64_t quotient, uint64_t q) {
  return x * w - mulHigh(x, quotient) * q;
}

static inline uint64_t below(uint64_t x, uint64_t bound) { return x >= bound ? x - bound : x; }

static inline void scalarForward(const NttRing& ring, uint64_t* x) {
  const uint64_t q = ring.q, twice = 2 * q;
  for (size_t groups = 1, half = ring.n / 2; half > 0; groups *= 2, half /= 2) {
    for (size_t g = 0; g < groups; g++) {
      const uint64_t w = ring.roots[groups + g], quotient = ring.quotients[groups + g];
      uint64_t* a = x + 2 * half * g;
      uint64_t* b = a + half;
      for (size_t j = 0; j < half; j++) {
        const uint64_t u = below(a[j], twice), v = mulLazy(b[j], w, quotient, q);
        a[j] = u + v;
        b[j] = u + twice - v;
      }
    }
  }
  for (size_t j = 0; j < ring.n; j++) x[j] = below(below(x[j], twice), q);
}

static inline void scalarInverse(const NttRing& ring, uint64_t* x) {
  const uint64_t q = ring.q, twice = 2 * q;
  size_t half = 1;
  for (size_t groups = ring.n / 2; groups > 1; groups /= 2, half *= 2) {
    for (size_t g = 0; g < groups; g++) {
      const uint64_t w = ring.inverses[groups + g], quotient = ring.inverseQuotients[groups + g];
      uint64_t* a = x + 2 * half * g;
      uint64_t* b = a + half;
      for (size_t j = 0; j < half; j++) {
        const uint64_t u = a[j], v = b[j];
        a[j] = below(u + v, twice);
        b[j] = mulLazy(u + twice - v, w, quotient, q);
      }
    }
  }
  for (size_t j = 0; j < half; j++) {
    const uint64_t u = x[j], v = x[j + half];
    x[j] = below(mulLazy(u + v, ring.scale, ring.scaleQuotient, q), q);
    x[j + half] = below(mulLazy(u + twice - v, ring.last, ring.lastQuotient, q), q);
  }
}

// high 2^64 + low mod q (Barrett), for any number of 128 bits.
static inline uint64_t reduce128(const NttRing& ring, unsigned __int128 value) {
  const uint64_t low = static_cast<uint64_t>(value), high = static_cast<uint64_t>(value >> 64);
  const unsigned __int128 middle = static_cast<unsigned __int128>(low) * ring.ratioHigh + mulHigh(low, ring.ratioLow);
  const unsigned __int128 rest = static_cast<unsigned __int128>(high) * ring.ratioLow + static_cast<uint64_t>(middle);
  const uint64_t estimate =
      high * ring.ratioHigh + static_cast<uint64_t>(middle >> 64) + static_cast<uint64_t>(rest >> 64);
  return below(low - estimate * ring.q, ring.q);
}

static inline uint64_t multiply(const NttRing& ring, uint64_t x, uint64_t y) {
  return reduce128(ring, static_cast<unsigned __int128>(x) * y);
}

// 1 / x modulo a prime.
static inline uint64_t invert(const NttRing& ring, uint64_t x) {
  uint64_t result = 1;
  for (uint64_t e = ring.q - 2; e > 0; e >>= 1, x = multiply(ring, x, x)) {
    if (e & 1) result = multiply(ring, result, x);
  }
  return result;
}

static inline uint64_t quotientOf(const NttRing& ring, uint64_t w) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(w) << 64) / ring.q);
}

static inline bool scalarAccumulate(const Products& p) {
  // Polynomials lie a power of two apart and meet in the same cache lines: each is read some lines at a time.
  constexpr size_t kChunk = 64;
  const NttRing& ring = *p.ring;
  const size_t chunk = ring.n < kChunk ? ring.n : kChunk;
  uint64_t over = 0;
  for (size_t tile = 0; tile < p.tiles; tile++) {
    for (size_t from = 0; from < ring.n; from += chunk) {
      for (size_t poly = 0; poly < 2; poly++) {
        const uint64_t* in = p.inputs + tile * p.inputTile + poly * p.inputPoly + from;
        uint64_t* sum = p.sums + tile * p.sumTile + poly * p.sumPoly + from;
        // A product is below 2^122: the sum of kMostProducts and an old sum stays within 128 bits.
        unsigned __int128 total[kChunk];
        for (size_t j = 0; j < chunk; j++) {
          over |= (ring.q - 1 - sum[j]) | sum[j];
          total[j] = sum[j];
        }
        for (size_t i = 0; i < p.count; i++) {
          const uint64_t* x = in + i * p.inputBlock;
          const uint64_t* w = p.plain + i * ring.n + from;
          for (size_t j = 0; j < chunk; j++) {
            over |= (ring.q - 1 - x[j]) | x[j];
            total[j] += static_cast<unsigned __int128>(x[j]) * w[j];
          }
        }
        for (size_t j = 0; j < chunk; j++) sum[j] = reduce128(ring, total[j]);
      }
    }
  }
  return over >> 63 == 0;
}

static inline void scalarDivide(const Division& d) {
  const NttRing& ring = *d.ring;
  const uint64_t q = ring.q;
  for (size_t j = 0; j < ring.n; j++) {
    // The high word of floor(2^128 / q) is the quotient of 1.
    const uint64_t rest = d.rest[j] - mulHigh(d.rest[j], ring.ratioHigh) * q;
    d.out[j] = below(mulLazy(d.in[j] + d.half + 2 * q - rest, d.inverse, d.inverseQuotient, q), q);
  }
}

static inline void scalarLift(const NttRing& ring, const int32_t* from, uint64_t* x) {
  for (size_t j = 0; j < ring.n; j++) {
    const int64_t value = from[j];
    x[j] = static_cast<uint64_t>(value) + (static_cast<uint64_t>(value >> 63) & ring.q);
  }
}

static inline void scalarAdd(const NttRing& ring, uint64_t* x, const uint64_t* y) {
  for (size_t j = 0; j < ring.n; j++) x[j] = below(x[j] + y[j], ring.q);
}

static inline void scalarScale(const NttRing& ring, uint64_t* x, const uint64_t* w, const uint64_t* quotients) {
  for (size_t j = 0; j < ring.n; j++) x[j] = below(mulLazy(x[j], w[j], quotients[j], ring.q), ring.q);
}

static inline void scalarCombine(const Combination& c, uint64_t* x) {
  const NttRing& ring = *c.ring;
  const uint64_t q = ring.q;
  for (size_t j = 0; j < ring.n; j++) {
    const uint64_t message = mulLazy(c.message[j] + c.offset, c.inverse, c.inverseQuotient, q);
    const uint64_t sum = message + 2 * q - x[j] - static_cast<uint64_t>(static_cast<int64_t>(c.error[j]));
    x[j] = below(below(below(sum, 4 * q), 2 * q), q);
  }
}

// Bits of the low 21 of either half of a word, the upper half's less the lower one's. Compilers turn the second loop into
// vectors.
static inline void countErrors(const uint8_t* noise, size_t count, int32_t* out) {
  constexpr size_t kChunk = 64;
  constexpr uint64_t k21 = (1u << 21) - 1;
  uint64_t held[kChunk];
  for (size_t from = 0; from < count; from += kChunk) {
    const size_t chunk = count - from < kChunk ? count - from : kChunk;
    for (size_t j = 0; j < chunk; j++) {
      uint32_t low = 0, high = 0;
      std::memcpy(&low, noise + (from + j) * kNoiseBytes, 3);
      std::memcpy(&high, noise + (from + j) * kNoiseBytes + 3, 3);
      held[j] = (low & k21) | (high & k21) << 32;
    }
    for (size_t j = 0; j < chunk; j++) {
      uint64_t x = held[j];
      x = x - ((x >> 1) & 0x5555555555555555u);
      x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
      x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
      x = x + (x >> 8);
      x = x + (x >> 16);
      out[from + j] = static_cast<int32_t>(x & 63) - static_cast<int32_t>((x >> 32) & 63);
    }
  }
}

static inline bool scalarReduced(const NttRing& ring, const uint64_t* x) {
  // q - 1 - x has its top bit set where x >= q, or x does.
  uint64_t over = 0;
  for (size_t j = 0; j < ring.n; j++) over |= (ring.q - 1 - x[j]) | x[j];
  return over >> 63 == 0;
}

}  // namespace adyton
