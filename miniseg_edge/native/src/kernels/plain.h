// No instruction set in particular: double precision stands in for a fused multiply-add.
#pragma once

#include "four_lanes.h"

namespace {

constexpr int kBlockOutputs = 4;
constexpr int kBlockVectors = 1;
constexpr int kDepthwiseRows = 1;
constexpr int kDepthwiseVectors = 1;

#if defined(__FP_FAST_FMAF)

// a b + c, rounded once, by the processor's own instruction.
inline Vector multiply_add(Vector a, Vector b, Vector c) {
  Vector sum{};
  for (int lane = 0; lane < kLanes; ++lane) sum[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
  return sum;
}

#else

typedef double Doubles __attribute__((vector_size(32)));
typedef unsigned long long Words __attribute__((vector_size(32)));

// a b + c, rounded once. Not by the C library's fmaf: that of mingw-w64 rounds twice. In double the product is exact, and so
// are the sum and its error together. Where there is an error, the sum is moved to the neighbour in its direction whose last
// bit is 1 ("rounded to odd"), so that rounding to float sees on which side of a tie it lies (Boldo and Melquiond, 2008).
inline __attribute__((always_inline)) Vector multiply_add(Vector a, Vector b, Vector c) {
  const Doubles product = __builtin_convertvector(a, Doubles) * __builtin_convertvector(b, Doubles);
  const Doubles addend = __builtin_convertvector(c, Doubles);
  const Doubles sum = product + addend;
  const Doubles part = sum - product;
  const Doubles error = (product - (sum - part)) + (addend - part);
  const Words inexact = (Words)(error > 0.0) | (Words)(error < 0.0);  // not where the sum is infinite: NaN
  const Words even = ((Words)sum & 1) - 1;                            // all bits, or none
  const Words away = 1 - ((((Words)error ^ (Words)sum) >> 62) & 2);    // 1, or -1 where the error points to 0
  const Words odd = (Words)sum + (inexact & even & away);
  return __builtin_convertvector((Doubles)odd, Vector);
}

#endif

inline void keep(Vector&) {}

}  // namespace
