// The sums of SoftSpokenOT (core/kernels/reference/transfers.ts). As in kernels.h: plain structures and pointers only,
// because the units behind these calls are compiled with different -m flags.
#pragma once

#include <cstddef>
#include <cstdint>

namespace adyton {

// Most bits of Delta that share a tree.
constexpr size_t kMostTreeBits = 4;
constexpr size_t kRoundKeyBytes = 11 * 16;
// Bytes of every column that are worked on at once.
constexpr size_t kColumnBytes = 256;

// One tree at kColumnBytes of its leaves' keystreams.
struct LeafSums {
  size_t bits;              // 1, 2 or 4
  const uint8_t* roundKeys; // [2^bits][11][16]
  uint64_t firstBlock;
  uint8_t* out;             // [bits + 1][kColumnBytes]: by bit of the leaf's number, then all leaves
};

struct OtSet {
  // AES-128's key schedule.
  void (*expandKey)(const uint8_t* key, uint8_t* roundKeys);
  void (*leafSums)(const LeafSums&);
};

// Each is null where the compiler did not know its unit's flags; a unit is only there on its own architecture.
extern const OtSet* const kOtAvx2;
extern const OtSet* const kOtVaes512;
extern const OtSet* const kOtArmv8;

// In the order of INSTRUCTION_SETS in core/kernels/native.ts; null where this machine cannot run one, and where AES is
// left to OpenSSL and with it the whole work to TypeScript (sets.cc).
const OtSet* otByNumber(size_t number);

}  // namespace adyton
