// The calls that each instruction set implements. Plain structures and pointers only: the units behind these calls are
// compiled with different -m flags, and an inline function of a library shared between them could be emitted once,
// with instructions that the processor at hand lacks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace adyton {

enum OpCode : int32_t { kXor = 0, kAnd = 1, kNot = 2, kOutput = 3 };

// One step of a compiled circuit. Operands >= 0 are slots of scratch memory; -1 - w is input wire w, read in place.
// For kOutput, `out` is the index of the output bit.
struct Op {
  OpCode code;
  int32_t a;
  int32_t b;
  int32_t out;
};

struct Plan {
  const Op* ops;
  size_t count;
};

struct Key128 {
  uint64_t low;
  uint64_t high;
};

// Sum modulo 2^128. Static, for the reason above.
static inline Key128 add128(Key128 x, uint64_t y) {
  uint64_t low = x.low + y;
  return {low, x.high + (low < y ? 1 : 0)};
}

// One batch. Scratch has `block` labels a slot; `block` is a multiple of 8. Buffers have been checked.
struct Batch {
  Plan plan;
  size_t instances;
  size_t block;
  Key128 firstKey;  // start + firstTweak
  int32_t garblerInputs;
  const uint8_t* garblerLabels;  // zero labels for the garbler, active labels for the evaluator
  const uint8_t* evaluatorLabels;
  const uint8_t* delta;  // garbler only
  uint8_t* scratch;      // 64-byte aligned
  uint8_t* tables;       // written by the garbler, only read by the evaluator
  uint8_t* colours;      // zeroed, [outputs][ceil(instances / 8)]
};

// Matrix product out[m][p] = sum over k of weights[m][k] * panel(k, p), the positions given by offsets into an image:
// panel(k, p) = image[tap[k] + position[p]].
struct Product {
  const void* image;  // uint32_t or uint64_t elements
  const int64_t* tap;
  const int64_t* position;
  const int32_t* weights;
  size_t rows;
  size_t taps;
  size_t positions;
  void* out;    // [rows][positions]
  void* panel;  // scratch, kPanelBytes, 64-byte aligned
};

constexpr size_t kPanelBytes = 512 * 1024;

struct InstructionSet {
  void (*garble)(const Batch&);
  void (*evaluate)(const Batch&);
  void (*product32)(const Product&);
  void (*product64)(const Product&);
  void (*matvec32)(const uint32_t* x, const int32_t* weights, size_t rows, size_t cols, uint32_t* out);
  void (*matvec64)(const uint64_t* x, const int32_t* weights, size_t rows, size_t cols, uint64_t* out);
};

// Each is null where the compiler did not know its unit's flags; a unit is only there on its own architecture.
extern const InstructionSet* const kPortable;
extern const InstructionSet* const kAvx2;
extern const InstructionSet* const kVaes256;
extern const InstructionSet* const kVaes512;
extern const InstructionSet* const kArmv8;

// What the processor and the operating system can run (cpu.cc).
struct Cpu {
  bool avx2 = false;  // with AES-NI
  bool vaes256 = false;
  bool vaes512 = false;
  bool armv8 = false;  // with the AES instructions
};
const Cpu& cpu();

// How many sets there are on all architectures together, in the order of INSTRUCTION_SETS in core/kernels/native.ts;
// null where this machine cannot run one (sets.cc).
constexpr size_t kSets = 5;
const InstructionSet* setByNumber(size_t number);

}  // namespace adyton
