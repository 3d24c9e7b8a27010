#include "he_ops.h"

#include "he_scalar.h"
#include "memory.h"

#include <cstring>
#include <memory>

namespace adyton {
namespace {

constexpr uint64_t kLargestPrime = uint64_t{1} << 61;
constexpr uint64_t kSmallestPrime = uint64_t{1} << 32;  // above every weight

}  // namespace

uint64_t* scratchWords(size_t count) {
  thread_local std::unique_ptr<AlignedBytes> held;
  thread_local size_t size = 0;
  if (count > size) {
    size = 0;
    held = std::make_unique<AlignedBytes>(count * 8);
    size = count;
  }
  return reinterpret_cast<uint64_t*>(held->data());
}

void wipe(void* data, size_t bytes) {
  std::memset(data, 0, bytes);
  __asm__ volatile("" ::"r"(data) : "memory");
}

bool readRing(const uint64_t* tables, size_t degree, size_t primes, std::vector<NttRing>& rings) {
  for (size_t i = 0; i < primes; i++) {
    const uint64_t* t = tables + i * (kRingHeader + 4 * degree);
    if (t[0] <= kSmallestPrime || t[0] >= kLargestPrime || t[0] % 2 == 0) return false;
    const uint64_t* roots = t + kRingHeader;
    rings.push_back({degree, t[0], t[1], t[2], t[3], t[4], t[5], t[6], roots, roots + degree, roots + 2 * degree,
                     roots + 3 * degree});
  }
  return true;
}

bool allReduced(const HeSet& set, const std::vector<NttRing>& rings, const uint64_t* words, size_t polys) {
  for (size_t poly = 0; poly < polys; poly++) {
    for (const NttRing& ring : rings) {
      if (!set.reduced(ring, words)) return false;
      words += ring.n;
    }
  }
  return true;
}

bool accumulateWeights(const HeSet& set, const std::vector<NttRing>& rings, const uint64_t* inputs, size_t tiles,
                       size_t tileStride, const int32_t* weights, size_t blocks, uint64_t* sums) {
  const size_t n = rings[0].n, poly = rings.size() * n;
  const size_t group = blocks < kMostProducts ? blocks : kMostProducts;
  uint64_t* plain = scratchWords(group * n);
  bool valid = true;
  for (size_t prime = 0; prime < rings.size(); prime++) {
    const NttRing& ring = rings[prime];
    for (size_t block = 0; block < blocks; block += group) {
      const size_t count = blocks - block < group ? blocks - block : group;
      for (size_t i = 0; i < count; i++) {
        set.lift(ring, weights + (block + i) * n, plain + i * n);
        set.forward(ring, plain + i * n);
      }
      valid &= set.accumulate({&ring, count, tiles, inputs + block * 2 * poly + prime * n, tileStride * 2 * poly,
                               2 * poly, poly, plain, sums + prime * n, 2 * poly, poly});
    }
  }
  return valid;
}

void divideRound(const HeSet& set, const std::vector<NttRing>& rings, uint64_t* words, size_t polys, uint64_t* out) {
  const size_t kept = rings.size() - 1, n = rings[0].n;
  const NttRing& last = rings[kept];
  const uint64_t half = last.q >> 1;
  for (size_t poly = 0; poly < polys; poly++) {
    uint64_t* rest = words + (poly * rings.size() + kept) * n;
    for (size_t j = 0; j < n; j++) rest[j] = below(rest[j] + half, last.q);
  }
  for (size_t i = 0; i < kept; i++) {
    const NttRing& ring = rings[i];
    const uint64_t inverse = invert(ring, multiply(ring, last.q, 1));
    const uint64_t quotient = quotientOf(ring, inverse);
    for (size_t poly = 0; poly < polys; poly++) {
      const uint64_t* in = words + poly * rings.size() * n;
      set.divide({&ring, inverse, quotient, multiply(ring, half, 1), in + i * n, in + kept * n,
                  out + (poly * kept + i) * n});
    }
  }
}

bool addEncryptedZero(const HeSet& set, const std::vector<NttRing>& rings, const uint64_t* key, const int8_t* ternary,
                      const uint8_t* noise, uint64_t* words) {
  const size_t n = rings[0].n, primes = rings.size(), poly = primes * n;
  const size_t used = 4 * poly + n + 3 * n / 2;
  uint64_t* made = scratchWords(used);
  uint64_t* rounded = made + 2 * poly;
  uint64_t* plain = rounded + 2 * poly;
  int32_t* secret = reinterpret_cast<int32_t*>(plain + n);
  int32_t* errors = secret + n;
  for (size_t j = 0; j < n; j++) secret[j] = ternary[j];
  set.errors(noise, 2 * n, errors);
  std::memset(made, 0, 2 * poly * 8);
  bool valid = true;
  for (size_t prime = 0; prime < primes; prime++) {
    const NttRing& ring = rings[prime];
    set.lift(ring, secret, plain);
    set.forward(ring, plain);
    valid &= set.accumulate({&ring, 1, 1, key + prime * n, 0, 0, poly, plain, made + prime * n, 0, poly});
    for (size_t half = 0; half < 2; half++) {
      uint64_t* to = made + half * poly + prime * n;
      set.inverse(ring, to);
      set.lift(ring, errors + half * n, plain);
      set.add(ring, to, plain);
    }
  }
  divideRound(set, rings, made, 2, rounded);
  for (size_t half = 0; half < 2; half++) {
    for (size_t prime = 0; prime + 1 < primes; prime++) {
      const size_t at = (half * (primes - 1) + prime) * n;
      set.add(rings[prime], words + at, rounded + at);
    }
  }
  wipe(made, used * 8);
  return valid;
}

bool maskShares(const std::vector<NttRing>& rings, unsigned bits, const uint64_t* stream, size_t count,
                uint64_t* residues, uint64_t* shares) {
  constexpr unsigned kFraction = 124;
  const size_t primes = rings.size();
  struct Factor {
    uint64_t mask, cofactor, quotient, low, middle, high;
  };
  std::vector<Factor> factors;
  for (size_t i = 0; i < primes; i++) {
    const uint64_t q = rings[i].q, lead = uint64_t{1} << (63 - __builtin_clzll(q));
    uint64_t cofactor = 1;
    for (size_t k = 0; k < primes; k++) {
      if (k != i) cofactor = multiply(rings[i], cofactor, multiply(rings[i], rings[k].q, 1));
    }
    // floor(2^(bits + 124) / q) in three words.
    const unsigned __int128 top = static_cast<unsigned __int128>(1) << (bits + kFraction - 64);
    const unsigned __int128 upper = top / q, rest = (top % q) << 64;
    factors.push_back({2 * lead - 1, cofactor, quotientOf(rings[i], cofactor),
                       static_cast<uint64_t>(rest / q), static_cast<uint64_t>(upper),
                       static_cast<uint64_t>(upper >> 64)});
  }
  const uint64_t shareMask = (uint64_t{1} << bits) - 1;
  for (size_t j = 0; j < count; j++) {
    uint64_t low = 0, middle = uint64_t{1} << (kFraction - 1 - 64), high = 0;
    for (size_t i = 0; i < primes; i++) {
      const NttRing& ring = rings[i];
      const Factor& f = factors[i];
      const uint64_t y = stream[j * primes + i] & f.mask;
      if (y >= ring.q) return false;
      const unsigned __int128 a = static_cast<unsigned __int128>(y) * f.low + low;
      low = static_cast<uint64_t>(a);
      const unsigned __int128 b = static_cast<unsigned __int128>(y) * f.middle + static_cast<uint64_t>(a >> 64) + middle;
      middle = static_cast<uint64_t>(b);
      high += y * f.high + static_cast<uint64_t>(b >> 64);
      residues[i * count + j] = below(mulLazy(y, f.cofactor, f.quotient, ring.q), ring.q);
    }
    shares[j] = -((middle >> (kFraction - 64)) | high << (128 - kFraction)) & shareMask;
  }
  return true;
}

}  // namespace adyton
