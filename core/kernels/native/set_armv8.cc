// ARMv8 with the AES instructions, and NEON. Seen to run under qemu-user only: its bytes are tested, its speed is not
// known. Apple's compiler and processors have not been tried.
#include "kernels.h"

#if defined(__aarch64__) && (defined(__ARM_FEATURE_AES) || defined(__ARM_FEATURE_CRYPTO))
#include <arm_neon.h>

namespace adyton {
namespace {

#include "expand_keys.h"

struct V {
  using Vec = uint8x16_t;
  static constexpr int kLanes = 1;
  // As measured for set_vaes256.cc, whose chain of a key expansion is about as long; not measured on ARM.
  static constexpr int kGarbleUnroll = 4;
  static constexpr int kEvaluateUnroll = 4;

  static Vec zero() { return vdupq_n_u8(0); }
  static Vec broadcast(const uint8_t* p) { return vld1q_u8(p); }
  static Vec load(const uint8_t* p, int) { return vld1q_u8(p); }
  static void store(uint8_t* p, Vec v, int) { vst1q_u8(p, v); }
  static void storeRows(uint8_t* p, Vec generator, Vec evaluator, int) {
    vst1q_u8(p, generator);
    vst1q_u8(p + 16, evaluator);
  }
  static void loadRows(const uint8_t* p, Vec& generator, Vec& evaluator, int) {
    generator = vld1q_u8(p);
    evaluator = vld1q_u8(p + 16);
  }
  static Vec masked(Vec colourOf, Vec value) {
    const uint8x16_t first = vdupq_laneq_u8(colourOf, 0);
    return vandq_u8(vtstq_u8(first, vdupq_n_u8(1)), value);
  }
  static Vec counter(Key128 key, int u) {
    const Key128 sum = add128(key, static_cast<uint64_t>(u));
    return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(sum.low), vcreate_u64(sum.high)));
  }

  static void transposeWords(Vec a, Vec b, Vec c, Vec d, Vec (&out)[4]) {
    const uint32x4_t wa = vreinterpretq_u32_u8(a), wb = vreinterpretq_u32_u8(b);
    const uint32x4_t wc = vreinterpretq_u32_u8(c), wd = vreinterpretq_u32_u8(d);
    const uint64x2_t t0 = vreinterpretq_u64_u32(vzip1q_u32(wa, wb)), t1 = vreinterpretq_u64_u32(vzip2q_u32(wa, wb));
    const uint64x2_t t2 = vreinterpretq_u64_u32(vzip1q_u32(wc, wd)), t3 = vreinterpretq_u64_u32(vzip2q_u32(wc, wd));
    out[0] = vreinterpretq_u8_u64(vzip1q_u64(t0, t2));
    out[1] = vreinterpretq_u8_u64(vzip2q_u64(t0, t2));
    out[2] = vreinterpretq_u8_u64(vzip1q_u64(t1, t3));
    out[3] = vreinterpretq_u8_u64(vzip2q_u64(t1, t3));
  }
  static void nextKey(Vec (&w)[4], int rcon) {
    // AESE adds its key first: with none it is SubBytes and ShiftRows.
    const Vec sub = vaeseq_u8(vqtbl1q_u8(w[3], vld1q_u8(kRotate)), zero()) ^
                    vreinterpretq_u8_u32(vdupq_n_u32(static_cast<uint32_t>(rcon)));
    addRunning(w, sub);
  }
  static Vec addKey(Vec s, Vec roundKey, int round) {
    return round < 9 ? vaesmcq_u8(vaeseq_u8(s, roundKey)) : round == 9 ? vaeseq_u8(s, roundKey) : s ^ roundKey;
  }
  template <int kKeys, int kEach>
  static void encrypt(const Vec (&keys)[kKeys], Vec (&states)[kKeys * kEach]) {
    encryptExpanding<V, kKeys, kEach>(keys, states);
  }
  static void fence() {}
};

#include "half_gates.h"

struct Lanes32 {
  using Word = uint32_t;
  static constexpr size_t kLanes = 4;
  static constexpr int kRows = 8;
  using Value = uint32x4_t;
  using Sum = uint32x4_t;
  using Weight = uint32x4_t;

  static Sum zero() { return vdupq_n_u32(0); }
  static Value value(const Word* p) { return vld1q_u32(p); }
  static Weight weight(int32_t w) { return vdupq_n_u32(static_cast<uint32_t>(w)); }
  static Sum multiplyAdd(Sum sum, Value v, Weight w) { return vmlaq_u32(sum, v, w); }
  static void store(Word* p, Sum sum) { vst1q_u32(p, sum); }
};

// As in avx2_product.h: low words as signed numbers into 64-bit sums, high words into 32-bit ones.
struct Lanes64 {
  using Word = uint64_t;
  static constexpr size_t kLanes = 4;
  static constexpr int kRows = 4;
  struct Value {
    int32x4_t low;
    int32x4_t high;
  };
  struct Sum {
    int64x2_t first;
    int64x2_t second;
    int32x4_t high;
  };
  using Weight = int32x4_t;

  static Sum zero() { return {vdupq_n_s64(0), vdupq_n_s64(0), vdupq_n_s32(0)}; }
  static Value value(const Word* p) {
    const int32x4_t a = vreinterpretq_s32_u64(vld1q_u64(p)), b = vreinterpretq_s32_u64(vld1q_u64(p + 2));
    const int32x4_t low = vuzp1q_s32(a, b);
    // A negative low word's sign, taken away, adds the one.
    return {low, vsubq_s32(vuzp2q_s32(a, b), vshrq_n_s32(low, 31))};
  }
  static Weight weight(int32_t w) { return vdupq_n_s32(w); }
  static Sum multiplyAdd(Sum sum, Value v, Weight w) {
    return {vmlal_s32(sum.first, vget_low_s32(v.low), vget_low_s32(w)), vmlal_high_s32(sum.second, v.low, w),
            vmlaq_s32(sum.high, v.high, w)};
  }
  static void store(Word* p, Sum sum) {
    const int32x4_t none = vdupq_n_s32(0);
    const int64x2_t first = vreinterpretq_s64_s32(vzip1q_s32(none, sum.high));
    const int64x2_t second = vreinterpretq_s64_s32(vzip2q_s32(none, sum.high));
    vst1q_u64(p, vreinterpretq_u64_s64(vaddq_s64(sum.first, first)));
    vst1q_u64(p + 2, vreinterpretq_u64_s64(vaddq_s64(sum.second, second)));
  }
};

#include "product.h"

const InstructionSet kSet = {run<V, true>,         run<V, false>,
                             product<Lanes32>,     product<Lanes64>,
                             matvec<uint32_t, int32_t>, matvec<uint64_t, int64_t>};

}  // namespace

const InstructionSet* const kArmv8 = &kSet;

}  // namespace adyton
#else
namespace adyton {
const InstructionSet* const kArmv8 = nullptr;
}
#endif
