// Arithmetic of Z_q[X] / (X^N + 1), one prime at a time. As in kernels.h: plain structures and pointers only, because
// the units behind these calls are compiled with different -m flags.
#pragma once

#include <cstddef>
#include <cstdint>

namespace adyton {

// Tables of one prime q < 2^61, q = 1 mod 2N, as core/kernels/reference/ntt-tables.ts makes them. A quotient of w is
// floor(w 2^64 / q).
struct NttRing {
  size_t n;                           // power of two, 16 .. 65536
  uint64_t q;
  uint64_t ratioLow, ratioHigh;       // floor(2^128 / q)
  uint64_t scale, scaleQuotient;      // 1 / N
  uint64_t last, lastQuotient;        // inverse root of the last inverse stage, times 1 / N
  const uint64_t* roots;              // [n]: psi^bitrev(i)
  const uint64_t* quotients;
  const uint64_t* inverses;           // [n]: psi^-bitrev(i)
  const uint64_t* inverseQuotients;
};

// Bytes of randomness behind one coefficient of SEAL's error distribution: 21 bits minus 21 bits.
constexpr size_t kNoiseBytes = 6;

// Most plaintexts of one call to accumulate(): what the lazy sums of every implementation hold.
constexpr size_t kMostProducts = 8;

// sums[tile][poly] += sum over i < count of inputs[tile][i][poly] * plain[i], modulo one prime, in NTT form.
// Strides are in words; inputs and sums have two polynomials.
struct Products {
  const NttRing* ring;
  size_t count;
  size_t tiles;
  const uint64_t* inputs;
  size_t inputTile, inputBlock, inputPoly;
  const uint64_t* plain;  // [count][n], below q
  uint64_t* sums;
  size_t sumTile, sumPoly;
};

// out = (in - rest + half) / last modulo one prime, where rest, any 64-bit words, is (x + half) mod last; the constants
// are 1 / last with its quotient and half mod q.
struct Division {
  const NttRing* ring;
  uint64_t inverse, inverseQuotient, half;
  const uint64_t* in;
  const uint64_t* rest;
  uint64_t* out;
};

struct Combination {
  const NttRing* ring;
  const uint64_t* message;
  uint64_t offset, inverse, inverseQuotient;
  const int32_t* error;
};

struct HeSet {
  // In place; residues below q in and out.
  void (*forward)(const NttRing&, uint64_t* x);
  void (*inverse)(const NttRing&, uint64_t* x);
  // False when an input or a sum is not below q; the sums are then of no use.
  bool (*accumulate)(const Products&);
  void (*divide)(const Division&);
  // Signed numbers, smaller than q, as residues.
  void (*lift)(const NttRing&, const int32_t* from, uint64_t* x);
  // x += y, residues.
  void (*add)(const NttRing&, uint64_t* x, const uint64_t* y);
  // x *= w, residues below q; constants [n] and their quotients.
  void (*scale)(const NttRing&, uint64_t* x, const uint64_t* w, const uint64_t* quotients);
  // Whether all residues are below q.
  bool (*reduced)(const NttRing&, const uint64_t* x);
  // x = (message + offset) inverse - x - error modulo one prime: residues x below q, sums of message and offset any numbers
  // of 64 bits, |error| < q.
  void (*combine)(const Combination&, uint64_t* x);
  // Coefficients of SEAL's error distribution, from kNoiseBytes each.
  void (*errors)(const uint8_t* noise, size_t count, int32_t* out);
  // 512 words of BLAKE2xb output from a root hash of 8; see he_blake.h.
  void (*blake)(const uint64_t* root, uint64_t* out);
};

// Null where the unit is compiled for another architecture or by a compiler that does not know its flags.
extern const HeSet* const kHePortable;
extern const HeSet* const kHeAvx2;
extern const HeSet* const kHeAvx512;

// The arithmetic that goes with an instruction set; the portable one where the compiler did not know a set's flags.
const HeSet& heByNumber(size_t number);

}  // namespace adyton
