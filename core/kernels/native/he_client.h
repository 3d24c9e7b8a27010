// The client's side of BFV: what SEAL's encryptor and decryptor do with its secret key, and the expansion of seeds that
// both parties need.
#pragma once

#include "he.h"

#include <vector>

namespace adyton {

constexpr size_t kSeedBytes = 64;
// Words before those of each prime in the constants of decryptScaled; see core/kernels/reference/he-client.ts.
constexpr size_t kDecryptHeader = 4;
constexpr size_t kDecryptPrime = 4;

// The uniform polynomials [primes][n] that SEAL makes of a seed (sample_poly_uniform over Blake2xbPRNG).
void expandSeed(const HeSet& set, const std::vector<NttRing>& rings, const uint8_t* seed, uint64_t* out);

// out = round(q plain / t) - a s - e, [primes][n] out of NTT form: t = 2^bits, a expanded from the seed, key
// [primes][residues of s in NTT form, their quotients][n], noise [n][kNoiseBytes]. False when the key is not reduced or
// a coefficient of plain [n] not below t.
bool encryptSeeded(const HeSet& set, const std::vector<NttRing>& rings, unsigned bits, const uint64_t* key,
                   const uint8_t* seed, const uint8_t* noise, const uint64_t* plain, uint64_t* out);

// out[place] = round(t (words[0] + words[1] s) / q) mod t as SEAL rounds it, at `count` places below n; words
// [2][primes][n] out of NTT form, key as above. False when constants or places are not usable or the key or words not reduced.
bool decryptScaled(const HeSet& set, const std::vector<NttRing>& rings, unsigned bits, const uint64_t* constants,
                   const uint64_t* key, const uint64_t* words, const uint32_t* places, size_t count, uint64_t* out);

}  // namespace adyton
