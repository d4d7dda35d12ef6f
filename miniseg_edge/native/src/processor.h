// What the processor can do, as far as the kernels ask for it.
#pragma once

namespace miniseg {

struct Processor {
  bool v3 = false;  // x86-64-v3: AVX2, FMA and what comes with them
  bool v4 = false;  // x86-64-v4: AVX-512 F, BW, CD, DQ, VL as well
};

// Asks the processor, and whether the system keeps the registers. Not the compiler's function: in some builds for Windows that
// says no to everything.
Processor processor();

}  // namespace miniseg
