#include "layer_list.h"

namespace miniseg {
namespace {

constexpr int kFusionTaps = 17;  // of two 3x3 kernels of dilation 1 and 2
constexpr int kTaps5 = 25;
constexpr int kTaps3 = 9;

class List {
 public:
  List(const Network& network, const Sizes& sizes) : network_(network), sizes_(sizes) {}

  std::vector<ListedLayer> made() {
    layers_.push_back({"slice", kPrepare, 0, nullptr});
    add_first_stage();
    for (int stage = 2; stage <= kStages; ++stage) add_stage(stage);
    add_dense("top", "1x1", network_.top.weights, kStages);
    for (int stage = kStages - 1; stage >= 1; --stage) add_step(stage);
    add_dense("head", "1x1", network_.head, 1);
    layers_.push_back({"logits to pixels", kUpsample, 0, nullptr});
    layers_.push_back({"mask", kMask, 0, nullptr});
    return std::move(layers_);
  }

 private:
  static std::string in_stage(int stage, const std::string& rest) { return "stage " + std::to_string(stage) + " " + rest; }
  static std::string in_block(int stage, std::size_t block, const std::string& rest) {
    return in_stage(stage, "block " + std::to_string(block) + " " + rest);
  }

  // `at`: the stage whose maps have as many pixels.
  void add(const std::string& name, const char* kind, const float* weights, int per_pixel, int at) {
    const auto pixels = static_cast<std::uint64_t>(sizes_.heights[at]) * static_cast<std::uint64_t>(sizes_.widths[at]);
    layers_.push_back({name, kind, pixels * static_cast<std::uint64_t>(per_pixel), weights});
  }

  void add_dense(const std::string& name, const char* kind, const Blocks& blocks, int at) {
    add(name, kind, blocks.values, blocks.outputs * blocks.inputs, at);
  }

  void add_depthwise(const std::string& name, const Depthwise& layer, int channels, int taps, int at) {
    add(name, taps == kTaps5 ? "depthwise 5x5" : "fusion", layer.weights, channels * taps, at);
  }

  void add_first_stage() {
    const FirstStage& first = network_.first;
    const int channels = network_.header.widths[0];
    add_dense(in_stage(1, "long"), "dense 5x5", first.long_conv.weights, 1);
    add_dense(in_stage(1, "main"), "dense 3x3", first.down_conv.weights, 1);
    for (std::size_t index = 0; index < first.blocks.size(); ++index) {
      const ConvBlock& block = first.blocks[index];
      if (block.has_long) {
        add_dense(in_block(1, index + 1, "entry"), "1x1", block.entry, 1);
        add_depthwise(in_block(1, index + 1, "long"), block.tail, channels, kTaps5, 1);
      }
      add_dense(in_block(1, index + 1, "main"), "dense 3x3", block.conv.weights, 1);
    }
    add_dense(in_block(2, 0, "entry, long"), "1x1", first.long_exit, 1);
    add_dense(in_block(2, 0, "entry, main"), "1x1", first.down_exit, 1);
  }

  void add_stage(int stage) {
    const Stage& found = network_.stages[stage - 2];
    const int n = found.narrow();
    for (std::size_t index = 0; index < found.blocks.size(); ++index) {
      const PyramidBlock& block = found.blocks[index];
      const bool first = index == 0;
      if (!first || stage > 2) add_dense(in_block(stage, index, "entry"), "1x1", block.entry, first ? stage - 1 : stage);
      if (block.has_long) add_depthwise(in_block(stage, index, "long"), block.tail, found.channels, kTaps5, stage);
      add(in_block(stage, index, "pyramid"), "pyramid", block.pyramid.taps, kBranches * n * (kTaps3 + 1 + n), stage);
    }
  }

  void add_step(int stage) {
    const DecoderStep& step = network_.steps[stage - 1];
    const std::string name = "decoder " + std::to_string(stage) + " ";
    add_dense(name + "reduce", "1x1", step.reduce, stage + 1);
    layers_.push_back({name + "upsampled", kUpsample, 0, nullptr});
    add_dense(name + "skip", "1x1", step.skip, stage);
    add_depthwise(name + "fusion", step.fusion, step.channels, kFusionTaps, stage);
  }

  const Network& network_;
  const Sizes& sizes_;
  std::vector<ListedLayer> layers_;
};

}  // namespace

std::vector<ListedLayer> listed_layers(const Network& network, const Sizes& sizes) { return List(network, sizes).made(); }

}  // namespace miniseg
