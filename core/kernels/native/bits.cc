#include "bits.h"

#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace adyton {
namespace {

constexpr size_t kTileBytes = 64;  // columns are read a cache line at a time

#if defined(__SSE2__)

// Transposes a 16 x 16 byte matrix held in 16 registers: four rounds of interleaving halves.
inline void transposeBytes(__m128i (&v)[16]) {
  for (int round = 0; round < 4; round++) {
    __m128i t[16];
    for (int i = 0; i < 8; i++) {
      t[2 * i] = _mm_unpacklo_epi8(v[i], v[i + 8]);
      t[2 * i + 1] = _mm_unpackhi_epi8(v[i], v[i + 8]);
    }
    for (int i = 0; i < 16; i++) v[i] = t[i];
  }
}

// 128 rows of kTileBytes bytes, of which `bytes` (a multiple of 16) count, to 8 * bytes rows of 16 bytes.
void transposeTile(const uint8_t (*tile)[kTileBytes], size_t bytes, uint8_t* out) {
  for (size_t column = 0; column < bytes; column += 16) {
    for (size_t group = 0; group < 8; group++) {
      __m128i v[16];
      for (int r = 0; r < 16; r++) {
        v[r] = _mm_load_si128(reinterpret_cast<const __m128i*>(tile[group * 16 + r] + column));
      }
      transposeBytes(v);
      for (int c = 0; c < 16; c++) {
        // MOVMSKB takes bit 7 of each byte; doubling brings up the next lower bit.
        uint8_t* to = out + (column + c) * 8 * 16 + group * 2;
        __m128i x = v[c];
        for (int bit = 7; bit >= 0; bit--) {
          const uint16_t mask = static_cast<uint16_t>(_mm_movemask_epi8(x));
          std::memcpy(to + bit * 16, &mask, 2);
          x = _mm_add_epi8(x, x);
        }
      }
    }
  }
}

#elif defined(__aarch64__)

// Two 8 x 8 bit matrices, as transpose8 below.
inline uint64x2_t transpose8(uint64x2_t x) {
  uint64x2_t t = (x ^ vshrq_n_u64(x, 7)) & vdupq_n_u64(0x00aa00aa00aa00aaULL);
  x ^= t ^ vshlq_n_u64(t, 7);
  t = (x ^ vshrq_n_u64(x, 14)) & vdupq_n_u64(0x0000cccc0000ccccULL);
  x ^= t ^ vshlq_n_u64(t, 14);
  t = (x ^ vshrq_n_u64(x, 28)) & vdupq_n_u64(0x00000000f0f0f0f0ULL);
  return x ^ t ^ vshlq_n_u64(t, 28);
}

// Sixteen rows of sixteen bytes at a time: bytes by four rounds of interleaving halves, then the bits of eight rows.
void transposeTile(const uint8_t (*tile)[kTileBytes], size_t bytes, uint8_t* out) {
  for (size_t column = 0; column < bytes; column += 16) {
    for (size_t group = 0; group < 8; group++) {
      uint8x16_t v[16], t[16];
      for (int r = 0; r < 16; r++) v[r] = vld1q_u8(tile[group * 16 + r] + column);
      for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 8; i++) {
          t[2 * i] = vzip1q_u8(v[i], v[i + 8]);
          t[2 * i + 1] = vzip2q_u8(v[i], v[i + 8]);
        }
        for (int i = 0; i < 16; i++) v[i] = t[i];
      }
      for (int c = 0; c < 16; c++) {
        const uint8x16_t rows = vreinterpretq_u8_u64(transpose8(vreinterpretq_u64_u8(v[c])));
        // Byte `bit` of both halves side by side.
        const uint16x8_t bits = vreinterpretq_u16_u8(vzip1q_u8(rows, vextq_u8(rows, rows, 8)));
        uint8_t* to = out + (column + c) * 8 * 16 + group * 2;
#pragma GCC unroll 8
        for (int bit = 0; bit < 8; bit++) {
          const uint16_t word = bits[bit];
          std::memcpy(to + bit * 16, &word, 2);
        }
      }
    }
  }
}

#else

// An 8 x 8 bit matrix, row r in byte r (Hacker's Delight, section 7-3).
inline uint64_t transpose8(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaULL;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000cccc0000ccccULL;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ULL;
  return x ^ t ^ (t << 28);
}

void transposeTile(const uint8_t (*tile)[kTileBytes], size_t bytes, uint8_t* out) {
  for (size_t column = 0; column < bytes; column++) {
    for (size_t group = 0; group < 16; group++) {
      uint64_t x = 0;
      for (int r = 0; r < 8; r++) x |= static_cast<uint64_t>(tile[group * 8 + r][column]) << (8 * r);
      x = transpose8(x);
      for (int bit = 0; bit < 8; bit++) out[(column * 8 + bit) * 16 + group] = static_cast<uint8_t>(x >> (8 * bit));
    }
  }
}

#endif

// Bit c of word r becomes bit r of word c (Hacker's Delight, section 7-3, with the least significant bit first).
inline void transpose32(uint32_t (&a)[32]) {
  uint32_t mask = 0x0000ffff;
  for (int j = 16; j != 0; j >>= 1, mask ^= mask << j) {
    for (int k = 0; k < 32; k = (k + j + 1) & ~j) {
      const uint32_t t = ((a[k] >> j) ^ a[k + j]) & mask;
      a[k + j] ^= t;
      a[k] ^= t << j;
    }
  }
}

}  // namespace

void transpose128(const uint8_t* matrix, size_t n, uint8_t* out) {
  const size_t rowBytes = n / 8;
  // Rows may lie a power of two apart, where they evict one another: a tile is copied before it is turned.
  alignas(64) uint8_t tile[128][kTileBytes];
  for (size_t from = 0; from < rowBytes; from += kTileBytes) {
    const size_t bytes = rowBytes - from < kTileBytes ? rowBytes - from : kTileBytes;
    for (size_t r = 0; r < 128; r++) std::memcpy(tile[r], matrix + r * rowBytes + from, bytes);
    transposeTile(tile, bytes, out + from * 8 * 16);
  }
}

void sliceBits(const uint32_t* words, size_t stride, size_t n, size_t bits, uint8_t* out) {
  const size_t row = (n + 7) / 8;
  for (size_t from = 0; from < n; from += 32) {
    const size_t size = n - from < 32 ? n - from : 32;
    const size_t bytes = (size + 7) / 8;
    for (size_t part = 0; part * 32 < bits; part++) {
      uint32_t tile[32] = {};
      for (size_t j = 0; j < size; j++) tile[j] = words[(from + j) * stride + part];
      transpose32(tile);
      const size_t width = bits - part * 32 < 32 ? bits - part * 32 : 32;
      for (size_t i = 0; i < width; i++) {
        uint8_t* to = out + (part * 32 + i) * row + from / 8;
        for (size_t k = 0; k < bytes; k++) to[k] = static_cast<uint8_t>(tile[i] >> (8 * k));
      }
    }
  }
}

void joinBits(const uint8_t* sliced, size_t stride, size_t n, size_t bits, uint32_t* out) {
  const size_t row = (n + 7) / 8;
  for (size_t from = 0; from < n; from += 32) {
    const size_t size = n - from < 32 ? n - from : 32;
    const size_t bytes = (size + 7) / 8;
    for (size_t part = 0; part * 32 < bits; part++) {
      uint32_t tile[32] = {};
      const size_t width = bits - part * 32 < 32 ? bits - part * 32 : 32;
      for (size_t i = 0; i < width; i++) {
        const uint8_t* source = sliced + (part * 32 + i) * row + from / 8;
        for (size_t k = 0; k < bytes; k++) tile[i] |= static_cast<uint32_t>(source[k]) << (8 * k);
      }
      transpose32(tile);
      for (size_t j = 0; j < size; j++) out[(from + j) * stride + part] = tile[j];
    }
  }
}

void selectLabels(const uint8_t* zero, const uint8_t* bits, size_t wires, size_t instances, const uint8_t* delta,
                  uint8_t* out) {
  const size_t row = (instances + 7) / 8;
  uint64_t d[2];
  std::memcpy(d, delta, 16);
  for (size_t w = 0; w < wires; w++) {
    for (size_t j = 0; j < instances; j++) {
      const uint64_t mask = 0 - static_cast<uint64_t>(bits[w * row + j / 8] >> (j % 8) & 1);
      const size_t at = (w * instances + j) * 16;
      uint64_t label[2];
      std::memcpy(label, zero + at, 16);
      label[0] ^= mask & d[0];
      label[1] ^= mask & d[1];
      std::memcpy(out + at, label, 16);
    }
  }
}

}  // namespace adyton
