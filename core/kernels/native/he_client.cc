#include "he_client.h"

#include "he_blake.h"
#include "he_ops.h"
#include "he_scalar.h"

#include <cstring>

namespace adyton {
namespace {

// SEAL's Blake2xbPRNG: BLAKE2xb of a counter of refills, keyed with the seed.
class Generator {
 public:
  Generator(const HeSet& set, const uint8_t* seed) : set_(set) {
    for (size_t i = 0; i < kBlakeWords; i++) keyed_[i] = kBlakeStart[i];
    // Parameter block: 64 bytes of digest and of key, fanout and depth 1; length of the whole.
    keyed_[0] ^= 64 | 64 << 8 | 1 << 16 | 1 << 24;
    keyed_[1] ^= static_cast<uint64_t>(kBlakeRefill) << 32;
    uint64_t block[16] = {};
    std::memcpy(block, seed, kSeedBytes);
    blakeCompress<uint64_t>(keyed_, block, 128, 0);
  }

  // kBlakeRefill bytes.
  void refill(uint64_t* out) {
    uint64_t root[kBlakeWords];
    std::memcpy(root, keyed_, sizeof(root));
    const uint64_t block[16] = {counter_++};
    blakeCompress<uint64_t>(root, block, 128 + 8, ~uint64_t{0});
    set_.blake(root, out);
  }

 private:
  const HeSet& set_;
  uint64_t keyed_[kBlakeWords];
  uint64_t counter_ = 0;
};

bool keyReduced(const HeSet& set, const std::vector<NttRing>& rings, const uint64_t* key) {
  for (size_t i = 0; i < rings.size(); i++) {
    if (!set.reduced(rings[i], key + 2 * i * rings[i].n)) return false;
  }
  return true;
}

// x = x s modulo one prime, x in NTT form before and out of it after.
void timesKey(const HeSet& set, const NttRing& ring, const uint64_t* key, uint64_t* x) {
  set.scale(ring, x, key, key + ring.n);
  set.inverse(ring, x);
}

}  // namespace

void expandSeed(const HeSet& set, const std::vector<NttRing>& rings, const uint8_t* seed, uint64_t* out) {
  constexpr size_t kWords = kBlakeRefill / 8;
  const size_t n = rings[0].n, total = rings.size() * n;
  Generator generator(set, seed);
  uint64_t buffer[kWords];
  size_t next = kWords;
  for (size_t at = 0; at < total; at += kWords) {
    if (total - at >= kWords) {
      generator.refill(out + at);
    } else {
      generator.refill(buffer);
      next = total - at;
      std::memcpy(out + at, buffer, next * 8);
    }
  }
  for (const NttRing& ring : rings) {
    // A multiple of q; words from there on are drawn again, after all others.
    const uint64_t most = ~uint64_t{0} - below(~uint64_t{0} - mulHigh(~uint64_t{0}, ring.ratioHigh) * ring.q, ring.q) - 1;
    for (size_t j = 0; j < n; j++) {
      uint64_t x = out[j];
      while (__builtin_expect(x >= most, 0)) {
        if (next == kWords) {
          generator.refill(buffer);
          next = 0;
        }
        x = buffer[next++];
      }
      out[j] = below(x - mulHigh(x, ring.ratioHigh) * ring.q, ring.q);
    }
    out += n;
  }
}

bool encryptSeeded(const HeSet& set, const std::vector<NttRing>& rings, unsigned bits, const uint64_t* key,
                   const uint8_t* seed, const uint8_t* noise, const uint64_t* plain, uint64_t* out) {
  const size_t n = rings[0].n;
  const uint64_t t = uint64_t{1} << bits, half = t / 2;
  uint64_t q = 1, over = 0;
  for (const NttRing& ring : rings) q *= ring.q;
  for (size_t j = 0; j < n; j++) over |= plain[j];
  if (over >= t || !keyReduced(set, rings, key)) return false;
  expandSeed(set, rings, seed, out);
  uint64_t* const scaled = scratchWords(n + n / 2);
  int32_t* const errors = reinterpret_cast<int32_t*>(scaled + n);
  // q m + t / 2 less its remainder modulo t, the rounded quotient times t, is this modulo every prime.
  for (size_t j = 0; j < n; j++) scaled[j] = half - ((q * plain[j] + half) & (t - 1));
  set.errors(noise, n, errors);
  for (size_t i = 0; i < rings.size(); i++) {
    const NttRing& ring = rings[i];
    uint64_t* x = out + i * n;
    set.forward(ring, x);
    timesKey(set, ring, key + 2 * i * n, x);
    const uint64_t inverse = invert(ring, multiply(ring, t, 1));
    // The least multiple of the prime that is at least t / 2 makes numbers above -t / 2 positive.
    const uint64_t offset = (half + ring.q - 1) / ring.q * ring.q;
    set.combine({&ring, scaled, offset, inverse, quotientOf(ring, inverse), errors}, x);
  }
  wipe(scaled, (n + n / 2) * 8);
  return true;
}

bool decryptScaled(const HeSet& set, const std::vector<NttRing>& rings, unsigned bits, const uint64_t* constants,
                   const uint64_t* key, const uint64_t* words, const uint32_t* places, size_t count, uint64_t* out) {
  const size_t n = rings[0].n, primes = rings.size();
  const uint64_t t = uint64_t{1} << bits;
  NttRing gamma{};
  gamma.q = constants[0];
  gamma.ratioLow = constants[1];
  gamma.ratioHigh = constants[2];
  const uint64_t inverseGamma = constants[3];
  if (gamma.q >> 61 != 0 || gamma.q >> 60 == 0 || !keyReduced(set, rings, key)) return false;
  for (size_t i = 0; i < 2 * primes; i++) {
    if (!set.reduced(rings[i % primes], words + i * n)) return false;
  }
  for (size_t j = 0; j < count; j++) {
    if (places[j] >= n) return false;
  }
  uint64_t* const x = scratchWords(primes * n);
  std::memcpy(x, words + primes * n, primes * n * 8);
  for (size_t i = 0; i < primes; i++) {
    set.forward(rings[i], x + i * n);
    timesKey(set, rings[i], key + 2 * i * n, x + i * n);
    set.add(rings[i], x + i * n, words + i * n);
  }
  for (size_t j = 0; j < count; j++) {
    const size_t at = places[j];
    uint64_t modT = 0;
    unsigned __int128 modGamma = 0;
    for (size_t i = 0; i < primes; i++) {
      const NttRing& ring = rings[i];
      const uint64_t* f = constants + kDecryptHeader + i * kDecryptPrime;
      const uint64_t y = below(mulLazy(x[i * n + at], f[0], f[1], ring.q), ring.q);
      modGamma += static_cast<unsigned __int128>(y) * f[2];
      modT += y * f[3];
    }
    const uint64_t rest = reduce128(gamma, modGamma);
    // Centred: numbers above a half stand for negative ones.
    const uint64_t centred = rest - (gamma.q & -static_cast<uint64_t>(rest > gamma.q / 2));
    out[at] = ((modT - centred) * inverseGamma) & (t - 1);
  }
  wipe(x, primes * n * 8);
  return true;
}

}  // namespace adyton
