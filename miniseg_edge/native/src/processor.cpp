#include "processor.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>
#endif

namespace miniseg {

#if defined(__x86_64__) || defined(_M_X64)

namespace {

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers asked(unsigned leaf) {
  Registers said;
  if (__get_cpuid_count(leaf, 0, &said.a, &said.b, &said.c, &said.d) == 0) return {};
  return said;
}

constexpr unsigned bits(auto... numbers) { return ((1U << numbers) | ...); }

constexpr bool has(unsigned said, unsigned wanted) { return (said & wanted) == wanted; }

// Which registers the system saves (XCR0). Only where the processor has OSXSAVE.
unsigned saved_registers() {
  unsigned low = 0;
  unsigned high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

Processor processor() {
  const Registers basic = asked(1);
  const Registers extended = asked(7);
  const Registers amd = asked(0x80000001);
  constexpr unsigned kBasic = bits(12, 22, 27, 28, 29);  // FMA, MOVBE, OSXSAVE, AVX, F16C
  if (!has(basic.c, kBasic)) return {};
  const unsigned saved = saved_registers();
  Processor found;
  found.v3 = has(extended.b, bits(3, 5, 8)) && has(amd.c, bits(5)) && has(saved, bits(1, 2));  // BMI1, AVX2, BMI2; LZCNT
  // F, DQ, CD, BW, VL; masks and both halves of the registers.
  found.v4 = found.v3 && has(extended.b, bits(16, 17, 28, 30, 31)) && has(saved, bits(5, 6, 7));
  return found;
}

#else

Processor processor() { return {}; }

#endif

}  // namespace miniseg
