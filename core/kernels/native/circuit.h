// From the circuit of interface.ts to a plan: checked, inputs read in place, gate outputs in as few slots as their
// lifetimes allow, so that one block's wires stay in the first- or second-level cache.
#pragma once

#include "kernels.h"

#include <string>
#include <vector>

namespace adyton {

struct CompiledCircuit {
  std::vector<Op> ops;
  size_t slots = 0;
  size_t andGates = 0;
  std::string error;  // not empty: the circuit is malformed and nothing else is valid
};

// Reads each number of `gates` and `outputs` once, so that memory shared with another thread cannot change between
// check and use. For the evaluator a NOT gate is the same wire; for the garbler it adds delta.
CompiledCircuit compileCircuit(size_t inputs, const int32_t* gates, size_t gateCount, const int32_t* outputs,
                               size_t outputCount, bool garbler);

}  // namespace adyton
