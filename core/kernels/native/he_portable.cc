// HE arithmetic for any 64-bit processor.
#include "he_scalar.h"

namespace adyton {
namespace {
const HeSet kSet = {scalarForward, scalarInverse, scalarAccumulate, scalarDivide,
                    scalarLift,    scalarAdd,     scalarReduced};
}
const HeSet* const kHePortable = &kSet;
}  // namespace adyton
