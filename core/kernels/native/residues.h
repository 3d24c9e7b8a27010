// The wire form of residues: `bits` of each (33 to 63), least significant first, without gaps; core/he/residues.ts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace adyton {

inline size_t packedBytes(size_t count, unsigned bits) { return (count * bits + 7) / 8; }

// Packs `count` words, those at `places` or the first ones where it is null, into packedBytes() bytes.
void packResidues(const uint64_t* words, const uint32_t* places, size_t count, unsigned bits, uint8_t* out);

// The reverse. False when a residue is not below q, which has `bits` bits, or a padding bit is set.
bool unpackResidues(const uint8_t* bytes, size_t count, unsigned bits, uint64_t q, const uint32_t* places, uint64_t* words);

}  // namespace adyton
