// Where a tap lies in a row, plain or split.
#pragma once

#include "vector.h"

namespace {

// Floats from the output's column to the tap `distance` columns away, in a row whose odd columns are `odd` behind.
template <int kStride>
MINISEG_INLINE std::ptrdiff_t tap(int distance, int odd) {
  if (kStride == 1) return distance;
  return distance % 2 == 0 ? distance / 2 : odd + (distance - 1) / 2;
}

}  // namespace
