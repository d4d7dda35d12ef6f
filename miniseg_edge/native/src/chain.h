// A chain of dense 3x3 convolutions of equal width by a set's own kernel: what this machine's multipliers reach at best,
// which a network's run can be held against.
#pragma once

#include <memory>
#include <vector>

#include "bands.h"
#include "rows.h"
#include "team.h"

namespace miniseg {

class Chain {
 public:
  struct Shape {
    int channels, height, width, layers;
  };

  // `weights`: [channels][channels][3][3], the same for each layer. Refuses (MINISEG_MEMORY, MINISEG_THREADS).
  Chain(const Kernels& kernels, const Shape& shape, int threads, const float* weights);
  ~Chain();
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  bool forked() const { return team_->forked(); }

  // From one contiguous map [channels][height][width] to another.
  void run(const float* input, float* output);

 private:
  std::uint64_t place(char* block);
  void work(int thread);
  void make(int layer, Band band) const;

  const Kernels& kernels_;
  Shape shape_;
  int threads_;
  std::vector<float> weights_;
  std::vector<float> slopes_;  // all 1: no activation
  Rows maps_[2];               // layers read one and write the other
  std::vector<Bands> bands_;
  char* memory_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::unique_ptr<Team> team_;
};

}  // namespace miniseg
