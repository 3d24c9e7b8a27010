#include "circuit.h"

namespace adyton {
namespace {

struct Step {
  OpCode code;
  int32_t a;
  int32_t b;
  int32_t out;  // wire, or index of the output bit
};

bool readsB(OpCode code) { return code == kXor || code == kAnd; }

// Steps over wires, in an order that can be run; false with `error` set when the circuit is malformed.
bool readSteps(size_t inputs, const int32_t* gates, size_t gateCount, const int32_t* outputs, size_t outputCount,
               bool garbler, std::vector<Step>& steps, CompiledCircuit& compiled) {
  const size_t wires = inputs + gateCount;
  if (wires > 0x3fffffff) return compiled.error = "circuit has too many wires", false;
  std::vector<int32_t> same(wires);  // the wire whose labels this wire carries
  for (size_t w = 0; w < wires; w++) same[w] = static_cast<int32_t>(w);

  // Output bits by wire: a linked list through nextOutput.
  std::vector<int32_t> firstOutput(wires, -1), nextOutput(outputCount, -1);
  for (size_t o = outputCount; o-- > 0;) {
    const int32_t wire = outputs[o];
    if (wire < 0 || static_cast<size_t>(wire) >= wires) return compiled.error = "circuit.outputs: no such wire", false;
    nextOutput[o] = firstOutput[wire];
    firstOutput[wire] = static_cast<int32_t>(o);
  }
  // An output's colour is taken as soon as its wire is known, which frees the slot early.
  const auto emitOutputs = [&](size_t wire) {
    for (int32_t o = firstOutput[wire]; o >= 0; o = nextOutput[o]) steps.push_back({kOutput, same[wire], 0, o});
  };
  for (size_t w = 0; w < inputs; w++) emitOutputs(w);
  for (size_t g = 0; g < gateCount; g++) {
    const int32_t op = gates[4 * g], a = gates[4 * g + 1], b = gates[4 * g + 2], out = gates[4 * g + 3];
    const size_t wire = inputs + g;
    if (op != kXor && op != kAnd && op != kNot) return compiled.error = "circuit.gates: unknown opcode", false;
    if (out < 0 || static_cast<size_t>(out) != wire) return compiled.error = "circuit.gates: wrong output wire", false;
    if (a < 0 || a >= out || (op != kNot && (b < 0 || b >= out))) {
      return compiled.error = "circuit.gates: a gate reads a wire that is not computed before it", false;
    }
    if (op == kNot && !garbler) {
      same[wire] = same[a];
    } else {
      steps.push_back({static_cast<OpCode>(op), same[a], op == kNot ? same[a] : same[b], out});
    }
    if (op == kAnd) compiled.andGates++;
    emitOutputs(wire);
  }
  return true;
}

}  // namespace

CompiledCircuit compileCircuit(size_t inputs, const int32_t* gates, size_t gateCount, const int32_t* outputs,
                               size_t outputCount, bool garbler) {
  CompiledCircuit compiled;
  std::vector<Step> steps;
  if (!readSteps(inputs, gates, gateCount, outputs, outputCount, garbler, steps, compiled)) return compiled;

  // Last use of each wire. Gates that feed nothing are dropped, except AND gates, whose tables are part of the output.
  const size_t kNever = ~size_t{0};
  std::vector<size_t> lastUse(inputs + gateCount, kNever);
  std::vector<bool> keep(steps.size(), true);
  const auto use = [&](int32_t wire, size_t at) {
    if (lastUse[wire] == kNever) lastUse[wire] = at;
  };
  for (size_t i = steps.size(); i-- > 0;) {
    const Step& step = steps[i];
    keep[i] = step.code == kOutput || step.code == kAnd || lastUse[step.out] != kNever;
    if (!keep[i]) continue;
    use(step.a, i);
    if (readsB(step.code)) use(step.b, i);
  }

  std::vector<int32_t> place(inputs + gateCount);
  for (size_t w = 0; w < inputs; w++) place[w] = -1 - static_cast<int32_t>(w);
  std::vector<int32_t> free;
  const auto release = [&](int32_t wire, size_t at) {
    if (lastUse[wire] != at || place[wire] < 0) return;
    free.push_back(place[wire]);
    lastUse[wire] = kNever;  // both operands may be this wire
  };
  compiled.ops.reserve(steps.size());
  for (size_t i = 0; i < steps.size(); i++) {
    if (!keep[i]) continue;
    const Step& step = steps[i];
    Op op{step.code, place[step.a], readsB(step.code) ? place[step.b] : place[step.a], step.out};
    const bool unused = step.code != kOutput && lastUse[step.out] == kNever;
    release(step.a, i);
    if (readsB(step.code)) release(step.b, i);
    if (step.code != kOutput) {
      // The slot of an operand may be taken: each step reads a label of both operands before it writes that label.
      if (free.empty()) free.push_back(static_cast<int32_t>(compiled.slots++));
      op.out = free.back();
      place[step.out] = op.out;
      if (!unused) free.pop_back();
    }
    compiled.ops.push_back(op);
  }
  return compiled;
}

}  // namespace adyton
