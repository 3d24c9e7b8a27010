// Convolution as a matrix product over a padded copy of the image.
#pragma once

#include "kernels.h"

#include <string>

namespace adyton {

struct Geometry {
  uint64_t inChannels, inHeight, inWidth, outChannels, kernelHeight, kernelWidth, stride, padding, groups;

  uint64_t outHeight() const { return (inHeight + 2 * padding - kernelHeight) / stride + 1; }
  uint64_t outWidth() const { return (inWidth + 2 * padding - kernelWidth) / stride + 1; }
  uint64_t paddedHeight() const { return inHeight + 2 * padding; }
  uint64_t paddedWidth() const { return inWidth + 2 * padding; }
};

// Empty, or what is wrong. What passes keeps every size of a call below 2^40 elements.
std::string checkGeometry(const Geometry& g);

// `words` and `out` hold elements of `stride` 32-bit words; lengths have been checked against the geometry.
void conv2d(const InstructionSet& set, const uint32_t* words, int stride, const int32_t* weights, const Geometry& g,
            uint32_t* out);

}  // namespace adyton
