// Which instruction sets there are, and the HE arithmetic and transfers that go with each.
#include "he.h"
#include "kernels.h"
#include "ot.h"

namespace adyton {
namespace {

struct Choice {
  bool runs;
  const InstructionSet* set;
  const HeSet* he;
  const OtSet* ot;
};

Choice choice(size_t number) {
  switch (number) {
    case 0:
      return {true, kPortable, kHePortable, nullptr};
#if defined(__aarch64__)
    // NEON has no 64-bit multiplication: HE stays with the scalar MUL and UMULH.
    case 1:
      return {cpu().armv8, kArmv8, kHePortable, kOtArmv8};
#elif defined(__x86_64__)
    case 2:
      return {cpu().avx2, kAvx2, kHeAvx2, kOtAvx2};
    case 3:
      return {cpu().vaes256, kVaes256, kHeAvx2, kOtAvx2};
    case 4:
      return {cpu().vaes512, kVaes512, kHeAvx512, kOtVaes512};
#endif
    default:
      return {false, nullptr, nullptr, nullptr};
  }
}

}  // namespace

const InstructionSet* setByNumber(size_t number) {
  const Choice found = choice(number);
  return found.runs ? found.set : nullptr;
}

const HeSet& heByNumber(size_t number) {
  const Choice found = choice(number);
  return found.runs && found.he != nullptr ? *found.he : *kHePortable;
}

const OtSet* otByNumber(size_t number) {
  const Choice found = choice(number);
  return found.runs ? found.ot : nullptr;
}

}  // namespace adyton
