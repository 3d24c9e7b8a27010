// Run-time detection: the processor's features, and that the system saves the registers (XCR0, or what it reports).
#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace adyton {
namespace {

#if defined(__x86_64__)

Cpu detect() {
  Cpu cpu;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return cpu;
  const bool osxsave = c & (1u << 27), avx = c & (1u << 28), aes = c & (1u << 25), ssse3 = c & (1u << 9);
  if (!osxsave || !avx || !aes || !ssse3) return cpu;
  unsigned xcr0 = 0, xcr0High = 0;
  __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(xcr0High) : "c"(0));
  if ((xcr0 & 0x06) != 0x06) return cpu;  // XMM and YMM
  unsigned b7 = 0, c7 = 0, a7 = 0, d7 = 0;
  if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7)) return cpu;
  const bool bmi = b7 & (1u << 3), avx2 = b7 & (1u << 5), bmi2 = b7 & (1u << 8), vaes = c7 & (1u << 9);
  const bool f = b7 & (1u << 16), dq = b7 & (1u << 17), ifma = b7 & (1u << 21), bw = b7 & (1u << 30), vl = b7 & (1u << 31);
  cpu.avx2 = avx2 && bmi && bmi2;
  cpu.vaes256 = cpu.avx2 && vaes;
  cpu.vaes512 = cpu.vaes256 && f && dq && ifma && bw && vl && (xcr0 & 0xe6) == 0xe6;  // opmask, ZMM
  return cpu;
}

#elif defined(__aarch64__)

Cpu detect() {
  Cpu cpu;
#if defined(__APPLE__)
  cpu.armv8 = true;  // every Apple processor of 64 bits has them; not seen to run
#elif defined(__linux__)
  constexpr unsigned long kAes = 1ul << 3;  // HWCAP_AES of the kernel's asm/hwcap.h
  cpu.armv8 = (getauxval(AT_HWCAP) & kAes) != 0;
#endif
  return cpu;
}

#else

Cpu detect() { return {}; }

#endif

}  // namespace

const Cpu& cpu() {
  static const Cpu found = detect();
  return found;
}

}  // namespace adyton
