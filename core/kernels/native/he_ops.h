// Operations on ciphertexts that the instruction sets' transforms and products make up.
#pragma once

#include "he.h"

#include <vector>

namespace adyton {

// A ring's tables as JavaScript passes them: [primes][kHeader + 4 n] words; see core/kernels/reference/ntt-tables.ts.
constexpr size_t kRingHeader = 8;
// False when a header holds what the kernels cannot work with. The roots themselves are not checked: wrong ones give
// wrong residues, never a wrong address.
bool readRing(const uint64_t* tables, size_t degree, size_t primes, std::vector<NttRing>& rings);

// Whether all of [polys][primes][n] residues are below their primes.
bool allReduced(const HeSet& set, const std::vector<NttRing>& rings, const uint64_t* words, size_t polys);

// sums[tile] += sum over blocks of inputs[first + tile * tileStride + block] * weights[block], in NTT form; weights are
// signed coefficients [blocks][n], inputs and sums [][2][primes][n]. False when an input is not reduced.
bool accumulateWeights(const HeSet& set, const std::vector<NttRing>& rings, const uint64_t* inputs, size_t tiles,
                       size_t tileStride, const int32_t* weights, size_t blocks, uint64_t* sums);

// round(x / last prime), [polys][primes][n] -> [polys][primes - 1][n], out of NTT form; words are overwritten.
void divideRound(const HeSet& set, const std::vector<NttRing>& rings, uint64_t* words, size_t polys, uint64_t* out);

// words[poly] += round((key[poly] u + e[poly]) / last prime): words [2][primes - 1][n] out of NTT form, key
// [2][primes][n] in it. False when the key is not reduced.
bool addEncryptedZero(const HeSet& set, const std::vector<NttRing>& rings, const uint64_t* key, const int8_t* ternary,
                      const uint8_t* noise, uint64_t* words);

// An answer's mask, see answerMask of core/he/mask.ts. Of residues y, the low bits of stream [count][primes], as many as
// their prime has: y times the product of the other primes in residues [primes][count], and -round(2^bits sum of y / q)
// mod 2^bits in shares [count]. False when a y is not below its prime. bits is 1 .. 63.
bool maskShares(const std::vector<NttRing>& rings, unsigned bits, const uint64_t* stream, size_t count,
                uint64_t* residues, uint64_t* shares);

// This thread's scratch memory, about a mebibyte, kept: fresh memory costs a page fault every 4 KiB.
uint64_t* scratchWords(size_t count);
// Zeroes what must not stay in it.
void wipe(void* data, size_t bytes);

}  // namespace adyton
