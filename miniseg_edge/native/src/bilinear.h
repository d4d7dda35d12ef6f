// Bilinear upsampling (align_corners=False) to twice the size or one less, as stages round up.
//
// With s = n / m for n values before and m after, value x lies at max((x + 1/2) s - 1/2, 0) before, between two values
// (or at the last one), and takes the nearer the more of each.
#pragma once

#include "arena.h"
#include "kernels.h"

namespace miniseg {

struct Between {
  int first;
  int second;
  float weights[2];
};

// Value x of `after`.
Between between(int x, int before, int after);

// The tables of the columns.
class ColumnTables {
 public:
  void place(Arena& arena, int before, int after);
  void fill() const;
  const ColumnWeights& weights() const { return weights_; }

 private:
  int before_ = 0;
  int after_ = 0;
  float* tables_[5] = {};
  ColumnWeights weights_{};
};

}  // namespace miniseg
