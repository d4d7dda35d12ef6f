// The sizes of the maps for a slice: each stage halves both sides, rounding up.
#pragma once

#include "plan.h"

namespace miniseg {

struct Sizes {
  int heights[kStages + 1];  // [0]: of the slice
  int widths[kStages + 1];

  Sizes(int height, int width) : heights{height}, widths{width} {
    for (int stage = 1; stage <= kStages; ++stage) {
      heights[stage] = (heights[stage - 1] + 1) / 2;
      widths[stage] = (widths[stage - 1] + 1) / 2;
    }
  }
};

}  // namespace miniseg
