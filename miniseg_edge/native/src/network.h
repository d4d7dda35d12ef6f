// A MiniSeg as kernels want it: the plan's weights, dense ones in blocks for the instruction set.
//
// Inside a stage, with sum = out + long, block i does long += long_i(sum) and sum += long_i(sum) + main_i(sum); out is
// sum - long at the end. Both read 1x1 convolutions of the sum, which are one layer, the `entry`: long channels first.
#pragma once

#include <vector>

#include "kernels.h"
#include "plan.h"

namespace miniseg {

struct Dense {
  Blocks weights;
  const float* slopes;
};

struct Depthwise {
  const float* weights;
  const float* bias;
  const float* slopes;
};

struct Pyramid {
  const float* taps;
  const float* attention;
  Blocks fuse[kBranches];
  const float* shift;
  const float* slopes;
};

// A block of stage 1.
struct ConvBlock {
  bool has_long;
  Blocks entry;  // of the long path alone
  Depthwise tail;
  Dense conv;
};

// A block of stages 2 to 4.
struct PyramidBlock {
  bool has_long;
  Blocks entry;  // with the long path's outputs first, if the block has one
  Depthwise tail;
  Pyramid pyramid;
};

struct FirstStage {
  Dense long_conv;
  Dense down_conv;
  std::vector<ConvBlock> blocks;
  Blocks long_exit;  // the entry of stage 2 in two layers
  Blocks down_exit;
};

struct Stage {
  int channels;
  std::vector<PyramidBlock> blocks;  // the first halves the size
  int narrow() const { return channels / kBranches; }
};

struct DecoderStep {
  int channels;
  Blocks reduce;
  Depthwise fusion;  // starts from the skip's sums
  Blocks skip;
};

class Network {
 public:
  // Takes the reader's records, all of them. Refuses other ones.
  Network(PlanReader& plan, const Kernels& kernels);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  PlanHeader header;
  std::uint64_t parameters = 0;
  FirstStage first;
  Stage stages[kStages - 1];
  Dense top;
  DecoderStep steps[kStages - 1];  // of stages 1, 2, 3
  Blocks head;

 private:
  const float* keep(std::vector<float> values);
  std::vector<float> next(PlanReader& plan, Kind kind, int stage, int index, int count);
  Blocks blocks(const float* weights, const float* bias, int outputs, int inputs);
  Dense dense(PlanReader& plan, Kind kind, int index, int outputs, int inputs);
  Depthwise tail(PlanReader& plan, int stage, int index, int channels);
  Pyramid pyramid(PlanReader& plan, int stage, int index, int narrow);
  void read_first_stage(PlanReader& plan);
  void read_stage(PlanReader& plan, int stage);
  void read_step(PlanReader& plan, int stage);

  int largest_block_;
  std::vector<std::vector<float>> storage_;
};

}  // namespace miniseg
