// BLAKE2b's compression and the output blocks of BLAKE2xb (Aumasson et al. 2016, "BLAKE2X", section 2), several blocks side
// by side in the lanes of V: uint64_t or a vector of them. Static, see kernels.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace adyton {

constexpr uint64_t kBlakeStart[8] = {0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
                                     0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
constexpr uint8_t kBlakeOrder[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

constexpr size_t kBlakeWords = 8;      // of a hash
constexpr size_t kBlakeRefill = 4096;  // bytes of one BLAKE2xb output of SEAL's generator

template <unsigned kBits, class V>
static inline V rotated(const V& x) {
  return (x >> kBits) | (x << (64 - kBits));
}

template <class V>
static inline void blakeMix(V& a, V& b, V& c, V& d, const V& x, const V& y) {
  a += b + x;
  d = rotated<32>(d ^ a);
  c += d;
  b = rotated<24>(b ^ c);
  a += b + y;
  d = rotated<16>(d ^ a);
  c += d;
  b = rotated<63>(b ^ c);
}

// h = compression of h and a block m of 16 words, the last of a message of `length` bytes where `last` is all ones.
template <class V>
static inline void blakeCompress(V* h, const V* m, uint64_t length, uint64_t last) {
  V v[16];
  for (size_t i = 0; i < 8; i++) {
    v[i] = h[i];
    v[8 + i] = V{} + kBlakeStart[i];
  }
  v[12] ^= V{} + length;
  v[14] ^= V{} + last;
#pragma GCC unroll 12
  for (size_t round = 0; round < 12; round++) {
    const uint8_t* at = kBlakeOrder[round % 10];
    blakeMix(v[0], v[4], v[8], v[12], m[at[0]], m[at[1]]);
    blakeMix(v[1], v[5], v[9], v[13], m[at[2]], m[at[3]]);
    blakeMix(v[2], v[6], v[10], v[14], m[at[4]], m[at[5]]);
    blakeMix(v[3], v[7], v[11], v[15], m[at[6]], m[at[7]]);
    blakeMix(v[0], v[5], v[10], v[15], m[at[8]], m[at[9]]);
    blakeMix(v[1], v[6], v[11], v[12], m[at[10]], m[at[11]]);
    blakeMix(v[2], v[7], v[8], v[13], m[at[12]], m[at[13]]);
    blakeMix(v[3], v[4], v[9], v[14], m[at[14]], m[at[15]]);
  }
  for (size_t i = 0; i < 8; i++) h[i] ^= v[i] ^ v[8 + i];
}

// The output of kBlakeRefill bytes that belongs to a root hash: block i is a hash of the root, numbered i.
template <class V>
static inline void blakeOutput(const uint64_t* root, uint64_t* out) {
  constexpr size_t kLanes = sizeof(V) / 8;
  V m[16] = {};
  for (size_t i = 0; i < kBlakeWords; i++) m[i] = V{} + root[i];
  for (size_t block = 0; block < kBlakeRefill / 64; block += kLanes) {
    uint64_t number[kLanes];
    for (size_t i = 0; i < kLanes; i++) number[i] = (block + i) | static_cast<uint64_t>(kBlakeRefill) << 32;
    V numbers;
    std::memcpy(&numbers, number, sizeof(V));
    // Parameter block: 64 bytes of digest, leaves of 64 bytes; number and length of the whole; inner hashes of 64 bytes.
    V h[8];
    for (size_t i = 0; i < 8; i++) h[i] = V{} + kBlakeStart[i];
    h[0] ^= V{} + (64 | uint64_t{64} << 32);
    h[1] ^= numbers;
    h[2] ^= V{} + (uint64_t{64} << 8);
    blakeCompress(h, m, 64, ~uint64_t{0});
    uint64_t words[8 * kLanes];
    std::memcpy(words, h, sizeof(h));
    for (size_t i = 0; i < kLanes; i++) {
      for (size_t w = 0; w < 8; w++) *out++ = words[w * kLanes + i];
    }
  }
}

}  // namespace adyton
