// Vectors of floats, by the compiler's vector extensions. What those cannot say lies in the file of the instruction set.
#pragma once

#include "instruction_set.h"

#define MINISEG_INLINE static inline __attribute__((always_inline))
#define MINISEG_UNROLL _Pragma("GCC unroll 32")

namespace {

MINISEG_INLINE Vector load(const float* from) {
  Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

MINISEG_INLINE void store(float* to, Vector v) { __builtin_memcpy(to, &v, sizeof v); }

// Negative values times their channel's slope. Slopes may be above 1, so this is a selection and not a maximum.
MINISEG_INLINE Vector prelu(Vector v, Vector slope) { return v > 0.0F ? v : v * slope; }

}  // namespace
