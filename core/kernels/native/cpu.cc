// Run-time detection: the processor's features, and that the system saves the wide registers (XCR0).
#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>

namespace adyton {
namespace {

struct Features {
  bool avx2 = false;
  bool vaes512 = false;

  Features() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    const bool osxsave = c & (1u << 27), avx = c & (1u << 28), aes = c & (1u << 25), ssse3 = c & (1u << 9);
    if (!osxsave || !avx || !aes || !ssse3) return;
    unsigned xcr0 = 0, xcr0High = 0;
    __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(xcr0High) : "c"(0));
    if ((xcr0 & 0x06) != 0x06) return;  // XMM and YMM
    unsigned b7 = 0, c7 = 0, a7 = 0, d7 = 0;
    if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7)) return;
    avx2 = b7 & (1u << 5);
    const bool f = b7 & (1u << 16), dq = b7 & (1u << 17), ifma = b7 & (1u << 21), bw = b7 & (1u << 30), vl = b7 & (1u << 31);
    const bool vaes = c7 & (1u << 9);
    vaes512 = avx2 && f && dq && ifma && bw && vl && vaes && (xcr0 & 0xe6) == 0xe6;  // opmask, ZMM
  }
};

const Features& features() {
  static const Features found;
  return found;
}

}  // namespace

bool cpuHasAvx2() { return features().avx2; }
bool cpuHasVaes512() { return features().vaes512; }

}  // namespace adyton
#else
namespace adyton {
bool cpuHasAvx2() { return false; }
bool cpuHasVaes512() { return false; }
}  // namespace adyton
#endif
