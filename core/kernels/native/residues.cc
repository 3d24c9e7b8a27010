#include "residues.h"

#include <cstring>

namespace adyton {

void packResidues(const uint64_t* words, const uint32_t* places, size_t count, unsigned bits, uint8_t* out) {
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  uint64_t held = 0;  // `full` bits, fewer than 64
  unsigned full = 0;
  for (size_t i = 0; i < count; i++) {
    const uint64_t word = words[places == nullptr ? i : places[i]] & mask;
    held |= word << full;
    full += bits;
    if (full >= 64) {
      std::memcpy(out, &held, 8);
      out += 8;
      full -= 64;
      held = full == 0 ? 0 : word >> (bits - full);
    }
  }
  std::memcpy(out, &held, (full + 7) / 8);
}

bool unpackResidues(const uint8_t* bytes, size_t count, unsigned bits, uint64_t q, const uint32_t* places,
                    uint64_t* words) {
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  const size_t size = packedBytes(count, bits);
  uint64_t over = 0;
  for (size_t i = 0; i < count; i++) {
    // Nine bytes hold 7 + 63 bits.
    const size_t bit = i * bits, at = bit / 8, left = size - at;
    uint64_t low = 0, high = 0;
    std::memcpy(&low, bytes + at, left < 8 ? left : 8);
    if (left > 8) high = bytes[at + 8];
    const unsigned shift = bit % 8;
    const uint64_t word = (low >> shift | high << 1 << (63 - shift)) & mask;
    over |= (q - 1 - word) | word;
    words[places == nullptr ? i : places[i]] = word;
  }
  const unsigned used = count * bits % 8;
  return over >> 63 == 0 && (used == 0 || bytes[size - 1] >> used == 0);
}

}  // namespace adyton
