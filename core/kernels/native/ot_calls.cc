#include "ot_calls.h"

#include "bits.h"
#include "memory.h"
#include "new_bytes.h"

#include <cstring>

namespace adyton {
namespace {

constexpr size_t kColumns = 128;
constexpr uint64_t kMaxTransfers = uint64_t{1} << 30;

// What both ends take: trees of expanded keys and a place in their keystreams.
struct Trees {
  const OtSet& ot;
  uint64_t bits;
  AlignedBytes roundKeys;
  uint64_t firstBlock;
  uint64_t n;

  explicit Trees(Arguments& args)
      : ot(choose(args)),
        bits(args.integer("bits", 1, kMostTreeBits)),
        roundKeys(leaves() * kRoundKeyBytes),
        firstBlock(expand(args)),
        n(args.integer("n", 0, kMaxTransfers)) {
    if (n % kColumns != 0) refuse(args.env(), "n must be a multiple of 128");
  }

  size_t trees() const { return kColumns / bits; }
  size_t leaves() const { return trees() << bits; }
  size_t rowBytes() const { return n / 8; }

  // Calls back with each tree's sums over `bytes` bytes of every column, and turns the 128 columns that it has filled
  // into labels, unless there is no place for them.
  template <class Columns>
  void run(uint8_t* labels, const Columns& columns) const {
    alignas(64) uint8_t sums[kMostTreeBits + 1][kColumnBytes];
    alignas(64) uint8_t tile[kColumns * kColumnBytes];
    for (size_t from = 0; from < rowBytes(); from += kColumnBytes) {
      const size_t bytes = rowBytes() - from < kColumnBytes ? rowBytes() - from : kColumnBytes;
      for (size_t tree = 0; tree < trees(); tree++) {
        ot.leafSums({bits, roundKeys.data() + (tree << bits) * kRoundKeyBytes, firstBlock + from / 16, sums[0]});
        columns(tree, from, bytes, sums, tile + tree * bits * bytes);
      }
      if (labels != nullptr) transpose128(tile, 8 * bytes, labels + from * kColumns);
    }
  }

 private:
  static const OtSet& choose(Arguments& args) {
    const OtSet* ot = otByNumber(args.integer("instruction set", 0, kSets - 1));
    if (ot == nullptr) refuse(args.env(), "this instruction set makes no transfers");
    return *ot;
  }

  uint64_t expand(Arguments& args) {
    if (bits == 3) refuse(args.env(), "bits is out of range");
    const Napi::Uint8Array keys = args.bytes("leaves", leaves() * 16);
    for (size_t i = 0; i < leaves(); i++) ot.expandKey(keys.Data() + 16 * i, roundKeys.data() + kRoundKeyBytes * i);
    return args.integer("firstBlock", 0, (uint64_t{1} << 53) - 1);
  }
};

// What the caller gave to write labels to, or new memory.
Napi::Uint8Array labelMemory(Arguments& args, const Trees& trees) {
  return args.next().IsUndefined() ? newBytes(args.env(), trees.n * 16) : args.bytes("memory", trees.n * 16);
}

}  // namespace

Napi::Value cotChooseCall(Arguments& args) {
  const Trees trees(args);
  const uint8_t* choices = args.bytes("choices", trees.rowBytes()).Data();
  Napi::Uint8Array message = newBytes(args.env(), trees.trees() * trees.rowBytes());
  trees.run(nullptr, [&](size_t tree, size_t from, size_t bytes, const auto& sums, uint8_t*) {
    uint8_t* to = message.Data() + tree * trees.rowBytes() + from;
    for (size_t i = 0; i < bytes; i++) to[i] = sums[trees.bits][i] ^ choices[from + i];
  });
  return message;
}

Napi::Value cotLabelsCall(Arguments& args) {
  const Trees trees(args);
  Napi::Uint8Array labels = labelMemory(args, trees);
  trees.run(labels.Data(), [&](size_t, size_t, size_t bytes, const auto& sums, uint8_t* columns) {
    for (size_t bit = 0; bit < trees.bits; bit++) std::memcpy(columns + bit * bytes, sums[bit], bytes);
  });
  return labels;
}

Napi::Value cotSendCall(Arguments& args) {
  const Trees trees(args);
  const uint8_t* delta = args.bytes("delta", 16).Data();
  const uint8_t* message = args.bytes("message", trees.trees() * trees.rowBytes()).Data();
  Napi::Uint8Array labels = labelMemory(args, trees);
  trees.run(labels.Data(), [&](size_t tree, size_t from, size_t bytes, const auto& sums, uint8_t* columns) {
    const uint8_t* sent = message + tree * trees.rowBytes() + from;
    for (size_t bit = 0; bit < trees.bits; bit++) {
      const size_t column = tree * trees.bits + bit;
      const uint8_t mask = static_cast<uint8_t>(0 - (delta[column / 8] >> (column % 8) & 1));
      for (size_t i = 0; i < bytes; i++) columns[bit * bytes + i] = sums[bit][i] ^ (mask & sent[i]);
    }
  });
  return labels;
}

}  // namespace adyton
