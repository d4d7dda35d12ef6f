// A stage of pyramids, 2 to 4. Their kernels reach eight rows up and down, so its maps are whole, and each block waits
// for all rows of the one before.
#pragma once

#include "bands.h"
#include "layers.h"
#include "maps.h"

namespace miniseg {

class PyramidStage {
 public:
  // `index`: 0..2 for stages 2 to 4.
  PyramidStage(const Kernels& kernels, const Network& network, const Maps& maps, int index)
      : kernels_(kernels), network_(network), maps_(maps), index_(index) {}

  int blocks() const { return static_cast<int>(stage().blocks.size()); }

  // Rows of a block, and what the next block or stage reads of them. `scratch` is the calling thread's.
  struct Scratch {
    float* pyramid;
    const Rows* top;  // a row of the last stage's channels
  };
  void make(int block, Band band, const Scratch& scratch) const;

 private:
  const Stage& stage() const { return network_.stages[index_]; }
  const StageMaps& maps() const { return maps_.stages[index_]; }
  void add_long(int block, Band band) const;
  void add_main(int block, int y, float* scratch) const;
  void enter(int block, int y) const;
  void leave(int y, const Rows* top) const;

  const Kernels& kernels_;
  const Network& network_;
  const Maps& maps_;
  int index_;
};

}  // namespace miniseg
