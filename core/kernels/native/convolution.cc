#include "convolution.h"

#include "memory.h"

#include <cstring>
#include <vector>

namespace adyton {
namespace {

constexpr uint64_t kMaxExtent = 1 << 20;
constexpr uint64_t kMaxElements = uint64_t{1} << 31;

template <class Word>
void convolve(void (*product)(const Product&),
              void (*matvec)(const Word*, const int32_t*, size_t, size_t, Word*), const Word* image,
              const int32_t* weights, const Geometry& g, Word* out) {
  const size_t height = g.outHeight(), width = g.outWidth();
  const size_t paddedHeight = g.paddedHeight(), paddedWidth = g.paddedWidth();
  const size_t channels = g.inChannels / g.groups, rows = g.outChannels / g.groups;
  const size_t taps = channels * g.kernelHeight * g.kernelWidth, positions = height * width;

  std::vector<Word> padded;
  const Word* source = image;
  if (g.padding > 0) {
    padded.resize(g.inChannels * paddedHeight * paddedWidth);
    for (size_t c = 0; c < g.inChannels; c++) {
      for (size_t y = 0; y < g.inHeight; y++) {
        std::memcpy(&padded[(c * paddedHeight + y + g.padding) * paddedWidth + g.padding],
                    image + (c * g.inHeight + y) * g.inWidth, g.inWidth * sizeof(Word));
      }
    }
    source = padded.data();
  }
  std::vector<int64_t> tap(taps), position(positions);
  size_t k = 0;
  for (size_t c = 0; c < channels; c++) {
    for (size_t y = 0; y < g.kernelHeight; y++) {
      for (size_t x = 0; x < g.kernelWidth; x++) {
        tap[k++] = static_cast<int64_t>((c * paddedHeight + y) * paddedWidth + x);
      }
    }
  }
  for (size_t y = 0; y < height; y++) {
    for (size_t x = 0; x < width; x++) {
      position[y * width + x] = static_cast<int64_t>(y * g.stride * paddedWidth + x * g.stride);
    }
  }
  const AlignedBytes panel(kPanelBytes);
  std::vector<Word> column(positions == 1 ? taps : 0);
  for (size_t group = 0; group < g.groups; group++) {
    const Word* from = source + group * channels * paddedHeight * paddedWidth;
    const int32_t* w = weights + group * rows * taps;
    Word* to = out + group * rows * positions;
    if (positions == 1) {
      for (size_t i = 0; i < taps; i++) column[i] = from[tap[i]];
      matvec(column.data(), w, rows, taps, to);
    } else {
      product({from, tap.data(), position.data(), w, rows, taps, positions, to, panel.data()});
    }
  }
}

}  // namespace

std::string checkGeometry(const Geometry& g) {
  const uint64_t sides[] = {g.inChannels,  g.inHeight,    g.inWidth, g.outChannels,
                            g.kernelHeight, g.kernelWidth, g.stride,  g.groups};
  for (const uint64_t side : sides) {
    if (side < 1 || side > kMaxExtent) return "geometry: a side is out of range";
  }
  if (g.padding > kMaxExtent) return "geometry.padding is out of range";
  if (g.inChannels % g.groups != 0 || g.outChannels % g.groups != 0) {
    return "geometry.groups must divide both channel counts";
  }
  if (g.kernelHeight > g.paddedHeight() || g.kernelWidth > g.paddedWidth()) {
    return "geometry: the kernel is larger than the padded image";
  }
  // Each factor is below 2^22, so no product of two can wrap before it is compared.
  const uint64_t plane = g.outHeight() * g.outWidth(), paddedPlane = g.paddedHeight() * g.paddedWidth();
  if (plane > kMaxElements || paddedPlane > kMaxElements || plane * g.outChannels > kMaxElements ||
      paddedPlane * g.inChannels > kMaxElements) {
    return "geometry: the image is too large";
  }
  return "";
}

void conv2d(const InstructionSet& set, const uint32_t* words, int stride, const int32_t* weights, const Geometry& g,
            uint32_t* out) {
  if (stride == 1) {
    convolve<uint32_t>(set.product32, set.matvec32, words, weights, g, out);
    return;
  }
  // Low word first is a little-endian 64-bit element; the copy also aligns it.
  std::vector<uint64_t> image(g.inChannels * g.inHeight * g.inWidth);
  std::memcpy(image.data(), words, image.size() * 8);
  convolve<uint64_t>(set.product64, set.matvec64, image.data(), weights, g, reinterpret_cast<uint64_t*>(out));
}

}  // namespace adyton
