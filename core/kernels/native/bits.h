// Bit matrices: transposition, slicing of ring elements, selection of labels. Buffers have been checked.
#pragma once

#include <cstddef>
#include <cstdint>

namespace adyton {

// 128 rows of n / 8 bytes to n rows of 16 bytes; n is a multiple of 128.
void transpose128(const uint8_t* matrix, size_t n, uint8_t* out);
// Elements of `stride` words to [bits][ceil(n / 8)], which must be zeroed, and back (words zeroed).
void sliceBits(const uint32_t* words, size_t stride, size_t n, size_t bits, uint8_t* out);
void joinBits(const uint8_t* sliced, size_t stride, size_t n, size_t bits, uint32_t* out);
// out[w][j] = zero[w][j] xor (bit ? delta : 0), without a branch on the bit.
void selectLabels(const uint8_t* zero, const uint8_t* bits, size_t wires, size_t instances, const uint8_t* delta,
                  uint8_t* out);

}  // namespace adyton
