// ARMv8's AES instructions: one block a register. Seen to run under qemu-user only.
#include "ot.h"

#if defined(__aarch64__) && (defined(__ARM_FEATURE_AES) || defined(__ARM_FEATURE_CRYPTO))
#include <arm_neon.h>

namespace adyton {
namespace {

// SubWord by AESE without a key: in a register of four equal columns ShiftRows changes nothing.
inline uint32_t subWord(uint32_t word) {
  return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(vreinterpretq_u8_u32(vdupq_n_u32(word)), vdupq_n_u8(0))), 0);
}

void expandKey(const uint8_t* key, uint8_t* roundKeys) {
  static constexpr uint32_t kRcon[10] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};
  uint32_t w[4];
  __builtin_memcpy(w, key, 16);
  __builtin_memcpy(roundKeys, key, 16);
  for (int round = 0; round < 10; round++) {
    w[0] ^= subWord(w[3] >> 8 | w[3] << 24) ^ kRcon[round];
    w[1] ^= w[0];
    w[2] ^= w[1];
    w[3] ^= w[2];
    __builtin_memcpy(roundKeys + 16 * (round + 1), w, 16);
  }
}

struct V {
  using Vec = uint8x16_t;
  static constexpr int kBlocks = 1;
  static constexpr int kFlight = 8;

  static Vec load(const uint8_t* p) { return vld1q_u8(p); }
  static void store(uint8_t* p, Vec v) { vst1q_u8(p, v); }
  static Vec counter(uint64_t block) {
    return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(0), vcreate_u64(__builtin_bswap64(block))));
  }
  template <int kCount>
  static void encrypt(const uint8_t* roundKeys, const Vec* counters, Vec (&states)[kCount]) {
#pragma GCC unroll 8
    for (int i = 0; i < kCount; i++) states[i] = counters[i];
#pragma GCC unroll 9
    for (int round = 0; round < 9; round++) {
      const Vec key = load(roundKeys + 16 * round);
#pragma GCC unroll 8
      for (int i = 0; i < kCount; i++) states[i] = vaesmcq_u8(vaeseq_u8(states[i], key));
    }
    const Vec key = load(roundKeys + 144), last = load(roundKeys + 160);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; i++) states[i] = vaeseq_u8(states[i], key) ^ last;
  }
};

#include "ot_sums.h"

const OtSet kSet = {expandKey, leafSums<V>};

}  // namespace

const OtSet* const kOtArmv8 = &kSet;

}  // namespace adyton
#else
namespace adyton {
const OtSet* const kOtArmv8 = nullptr;
}
#endif
