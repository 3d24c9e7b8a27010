// The Node-API face of the kernels: every length is checked here against what the kernels will touch, whatever the
// caller has checked. No state but a thread's scratch memory is kept between calls: worker threads may load the addon.
#include "arguments.h"
#include "bits.h"
#include "circuit.h"
#include "convolution.h"
#include "he_calls.h"
#include "kernels.h"
#include "memory.h"
#include "new_bytes.h"
#include "ot_calls.h"

#include <napi.h>

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace adyton {
namespace {

// Must equal ABI of core/kernels/index.ts.
constexpr int kAbi = 9;
// Scratch of one block aims at a second-level cache.
constexpr size_t kScratchTarget = 384 * 1024;
constexpr size_t kMinBlock = 64;
constexpr size_t kMaxBlock = 1024;

Key128 readKey(const Napi::Uint8Array& start, uint64_t tweak) {
  Key128 key;
  std::memcpy(&key, start.Data(), 16);
  return add128(key, tweak);
}

constexpr uint64_t kMaxSafe = (uint64_t{1} << 53) - 1;
constexpr uint64_t kMaxCount = uint64_t{1} << 30;

// The arguments that garbling and evaluating share.
struct CommonArguments {
  const InstructionSet& set;
  uint64_t garblerInputs;
  uint64_t evaluatorInputs;
  CompiledCircuit circuit;
  uint64_t outputs;
  uint64_t instances;
  Batch batch{};

  CommonArguments(Arguments& args, bool garbler)
      : set(args.instructionSet()),
        garblerInputs(args.integer("circuit.garblerInputs", 0, kMaxCount / 4)),
        evaluatorInputs(args.integer("circuit.evaluatorInputs", 0, kMaxCount / 4)) {
    const Napi::Int32Array gates = args.integers("circuit.gates");
    const Napi::Int32Array outs = args.integers("circuit.outputs");
    if (gates.ElementLength() % 4 != 0) refuse(args.env(), "circuit.gates must hold quadruples");
    outputs = outs.ElementLength();
    if (outputs > kMaxCount) refuse(args.env(), "circuit.outputs is too long");
    circuit = compileCircuit(garblerInputs + evaluatorInputs, gates.Data(), gates.ElementLength() / 4, outs.Data(),
                             outputs, garbler);
    if (!circuit.error.empty()) refuse(args.env(), circuit.error);
    instances = args.integer("instances", 0, kMaxCount);
    const Napi::Uint8Array start = args.bytes("start", 16);
    const uint64_t firstTweak = args.integer("firstTweak", 0, kMaxSafe);
    if (2 * circuit.andGates * instances > kMaxSafe - firstTweak) refuse(args.env(), "firstTweak is out of range");
    batch.plan = {circuit.ops.data(), circuit.ops.size()};
    batch.instances = instances;
    batch.firstKey = readKey(start, firstTweak);
    batch.garblerInputs = static_cast<int32_t>(garblerInputs);
    const size_t fitting = kScratchTarget / 16 / (circuit.slots + 1) / kMinBlock * kMinBlock;
    batch.block = fitting < kMinBlock ? kMinBlock : fitting > kMaxBlock ? kMaxBlock : fitting;
  }

  size_t scratchBytes() const { return circuit.slots * batch.block * 16; }
  size_t colourBytes() const { return outputs * ((instances + 7) / 8); }
  uint64_t tableBytes() const { return circuit.andGates * instances * 32; }
};

Napi::Value garble(Arguments& args) {
  CommonArguments common(args, true);
  Batch& batch = common.batch;
  batch.delta = args.bytes("delta", 16).Data();
  if ((batch.delta[0] & 1) == 0) refuse(args.env(), "delta must have its colour bit set");
  batch.garblerLabels = args.bytes("garblerZero", common.garblerInputs * common.instances * 16).Data();
  batch.evaluatorLabels = args.bytes("evaluatorZero", common.evaluatorInputs * common.instances * 16).Data();
  Napi::Uint8Array tables = args.next().IsUndefined() ? newBytes(args.env(), common.tableBytes(), 64)
                                                      : args.bytes("tables", common.tableBytes());
  Napi::Uint8Array decode = newBytes(args.env(), common.colourBytes());
  const AlignedBytes scratch(common.scratchBytes());
  batch.scratch = scratch.data();
  batch.tables = tables.Data();
  batch.colours = decode.Data();
  common.set.garble(batch);
  Napi::Object result = Napi::Object::New(args.env());
  result.Set("tables", tables);
  result.Set("decode", decode);
  return result;
}

Napi::Value evaluate(Arguments& args) {
  CommonArguments common(args, false);
  Batch& batch = common.batch;
  batch.garblerLabels = args.bytes("garblerLabels", common.garblerInputs * common.instances * 16).Data();
  batch.evaluatorLabels = args.bytes("evaluatorLabels", common.evaluatorInputs * common.instances * 16).Data();
  batch.tables = args.bytes("tables", common.tableBytes()).Data();
  Napi::Uint8Array colours = newBytes(args.env(), common.colourBytes());
  const AlignedBytes scratch(common.scratchBytes());
  batch.scratch = scratch.data();
  batch.colours = colours.Data();
  common.set.evaluate(batch);
  return colours;
}

Napi::Value selectLabelsCall(Arguments& args) {
  // Lengths come before the arrays that they size.
  const uint64_t wires = args.integer("wires", 0, kMaxCount);
  const uint64_t instances = args.integer("instances", 0, kMaxCount);
  const Napi::Uint8Array zero = args.bytes("zero", wires * instances * 16);
  const Napi::Uint8Array bits = args.bytes("bits", wires * ((instances + 7) / 8));
  const Napi::Uint8Array delta = args.bytes("delta", 16);
  Napi::Uint8Array out = newBytes(args.env(), wires * instances * 16);
  selectLabels(zero.Data(), bits.Data(), wires, instances, delta.Data(), out.Data());
  return out;
}

Napi::Value transposeCall(Arguments& args) {
  const uint64_t n = args.integer("n", 0, uint64_t{1} << 40);
  if (n % 128 != 0) refuse(args.env(), "n must be a multiple of 128");
  const Napi::Uint8Array matrix = args.bytes("matrix", n * 16);
  Napi::Uint8Array out = newBytes(args.env(), n * 16);
  transpose128(matrix.Data(), n, out.Data());
  return out;
}

struct BitArguments {
  uint64_t stride, n, bits;

  explicit BitArguments(Arguments& args)
      : stride(args.integer("stride", 1, 2)),
        n(args.integer("n", 0, uint64_t{1} << 31)),
        bits(args.integer("bits", 1, 32 * stride)) {}
};

Napi::Value sliceBitsCall(Arguments& args) {
  const BitArguments shape(args);
  const Napi::Uint32Array words = args.words("words", shape.n * shape.stride);
  Napi::Uint8Array out = newBytes(args.env(), shape.bits * ((shape.n + 7) / 8));
  sliceBits(words.Data(), shape.stride, shape.n, shape.bits, out.Data());
  return out;
}

Napi::Value joinBitsCall(Arguments& args) {
  const BitArguments shape(args);
  const Napi::Uint8Array sliced = args.bytes("sliced", shape.bits * ((shape.n + 7) / 8));
  Napi::Uint32Array out = Napi::Uint32Array::New(args.env(), shape.n * shape.stride);
  joinBits(sliced.Data(), shape.stride, shape.n, shape.bits, out.Data());
  return out;
}

Napi::Value conv2dCall(Arguments& args) {
  const InstructionSet& set = args.instructionSet();
  const uint64_t stride = args.integer("stride", 1, 2);
  Geometry g{};
  for (uint64_t* side : {&g.inChannels, &g.inHeight, &g.inWidth, &g.outChannels, &g.kernelHeight, &g.kernelWidth,
                         &g.stride, &g.padding, &g.groups}) {
    *side = args.integer("geometry", 0, kMaxCount);
  }
  const std::string wrong = checkGeometry(g);
  if (!wrong.empty()) refuse(args.env(), wrong);
  const Napi::Uint32Array words = args.words("words", g.inChannels * g.inHeight * g.inWidth * stride);
  // Channels multiply to below 2^40 and the kernel to below 2^40: compare in two steps that cannot wrap.
  const uint64_t kernel = g.kernelHeight * g.kernelWidth, pairs = g.outChannels * (g.inChannels / g.groups);
  if (kernel > kMaxSafe / pairs) refuse(args.env(), "weights is too long");
  const Napi::Int32Array weights = args.integers("weights", pairs * kernel);
  Napi::Uint32Array out =
      Napi::Uint32Array::New(args.env(), g.outChannels * g.outHeight() * g.outWidth() * stride);
  conv2d(set, words.Data(), static_cast<int>(stride), weights.Data(), g, out.Data());
  return out;
}

Napi::Value matvecCall(Arguments& args) {
  const InstructionSet& set = args.instructionSet();
  const uint64_t stride = args.integer("stride", 1, 2);
  const uint64_t rows = args.integer("rows", 1, kMaxCount);
  const uint64_t cols = args.integer("cols", 1, kMaxCount);
  const Napi::Uint32Array words = args.words("words", cols * stride);
  const Napi::Int32Array weights = args.integers("weights", rows * cols);
  Napi::Uint32Array out = Napi::Uint32Array::New(args.env(), rows * stride);
  if (stride == 1) {
    set.matvec32(words.Data(), weights.Data(), rows, cols, out.Data());
  } else {
    std::vector<uint64_t> x(cols), y(rows);
    std::memcpy(x.data(), words.Data(), cols * 8);
    set.matvec64(x.data(), weights.Data(), rows, cols, y.data());
    std::memcpy(out.Data(), y.data(), rows * 8);
  }
  return out;
}

// Turns what C++ throws into what JavaScript catches.
template <Napi::Value (*kCall)(Arguments&)>
Napi::Value entry(const Napi::CallbackInfo& info) {
  try {
    Arguments args(info);
    return kCall(args);
  } catch (const std::bad_alloc&) {
    throw Napi::Error::New(info.Env(), "native kernels: out of memory");
  } catch (const std::length_error&) {
    throw Napi::RangeError::New(info.Env(), "native kernels: a buffer is too large");
  }
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  Napi::Array supported = Napi::Array::New(env);
  uint32_t count = 0;
  for (uint32_t number = 0; number < kSets; number++) {
    if (setByNumber(number) != nullptr) supported.Set(count++, Napi::Number::New(env, number));
  }
  exports.Set("abi", Napi::Number::New(env, kAbi));
  Napi::Array transfers = Napi::Array::New(env);
  count = 0;
  for (uint32_t number = 0; number < kSets; number++) {
    if (otByNumber(number) != nullptr) transfers.Set(count++, Napi::Number::New(env, number));
  }
  exports.Set("supported", supported);
  exports.Set("transfers", transfers);
  exports.Set("garble", Napi::Function::New<entry<garble>>(env, "garble"));
  exports.Set("evaluate", Napi::Function::New<entry<evaluate>>(env, "evaluate"));
  exports.Set("selectLabels", Napi::Function::New<entry<selectLabelsCall>>(env, "selectLabels"));
  exports.Set("cotChoose", Napi::Function::New<entry<cotChooseCall>>(env, "cotChoose"));
  exports.Set("cotLabels", Napi::Function::New<entry<cotLabelsCall>>(env, "cotLabels"));
  exports.Set("cotSend", Napi::Function::New<entry<cotSendCall>>(env, "cotSend"));
  exports.Set("transpose128", Napi::Function::New<entry<transposeCall>>(env, "transpose128"));
  exports.Set("sliceBits", Napi::Function::New<entry<sliceBitsCall>>(env, "sliceBits"));
  exports.Set("joinBits", Napi::Function::New<entry<joinBitsCall>>(env, "joinBits"));
  exports.Set("conv2d", Napi::Function::New<entry<conv2dCall>>(env, "conv2d"));
  exports.Set("matvec", Napi::Function::New<entry<matvecCall>>(env, "matvec"));
  exports.Set("nttForward", Napi::Function::New<entry<nttForwardCall>>(env, "nttForward"));
  exports.Set("nttInverse", Napi::Function::New<entry<nttInverseCall>>(env, "nttInverse"));
  exports.Set("accumulate", Napi::Function::New<entry<accumulateCall>>(env, "accumulate"));
  exports.Set("divideRound", Napi::Function::New<entry<divideRoundCall>>(env, "divideRound"));
  exports.Set("addEncryptedZero", Napi::Function::New<entry<addEncryptedZeroCall>>(env, "addEncryptedZero"));
  exports.Set("maskShares", Napi::Function::New<entry<maskSharesCall>>(env, "maskShares"));
  exports.Set("expandSeed", Napi::Function::New<entry<expandSeedCall>>(env, "expandSeed"));
  exports.Set("encryptSeeded", Napi::Function::New<entry<encryptSeededCall>>(env, "encryptSeeded"));
  exports.Set("decryptScaled", Napi::Function::New<entry<decryptScaledCall>>(env, "decryptScaled"));
  exports.Set("packResidues", Napi::Function::New<entry<packResiduesCall>>(env, "packResidues"));
  exports.Set("unpackResidues", Napi::Function::New<entry<unpackResiduesCall>>(env, "unpackResidues"));
  return exports;
}

}  // namespace
}  // namespace adyton

static Napi::Object InitAdyton(Napi::Env env, Napi::Object exports) { return adyton::start(env, exports); }
NODE_API_MODULE(adyton_kernels, InitAdyton)
