// HE arithmetic for any 64-bit processor.
#include "he_blake.h"
#include "he_scalar.h"

namespace adyton {
namespace {
const HeSet kSet = {scalarForward, scalarInverse, scalarAccumulate, scalarDivide, scalarLift,           scalarAdd,
                    scalarScale,   scalarReduced, scalarCombine,    countErrors,  blakeOutput<uint64_t>};
}
const HeSet* const kHePortable = &kSet;
}  // namespace adyton
