#include "network.h"

#include <utility>

#include "blocks.h"

namespace miniseg {
namespace {

constexpr int kTaps3 = 9;
constexpr int kTaps5 = 25;

void append(std::vector<float>& to, const std::vector<float>& from, std::size_t begin, std::size_t end) {
  to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(begin), from.begin() + static_cast<std::ptrdiff_t>(end));
}

// The weights and biases of a 1x1 convolution, as they stand in a record.
struct Matrix {
  std::vector<float> weights, bias;
};

// The outputs of `first`, then those of `second`.
Matrix stacked(Matrix first, const Matrix& second) {
  append(first.weights, second.weights, 0, second.weights.size());
  append(first.bias, second.bias, 0, second.bias.size());
  return first;
}

Matrix matrix_of(const std::vector<float>& record, int outputs) {
  Matrix matrix;
  const std::size_t end = record.size() - static_cast<std::size_t>(outputs);
  append(matrix.weights, record, 0, end);
  append(matrix.bias, record, end, record.size());
  return matrix;
}

}  // namespace

Network::Network(PlanReader& plan, const Kernels& kernels) : header(plan.header()), largest_block_(kernels.block_outputs) {
  read_first_stage(plan);
  for (int stage = 2; stage <= kStages; ++stage) read_stage(plan, stage);
  const int last = header.widths[kStages - 1];
  top = dense(plan, Kind::kTop, 0, last, last);
  for (int stage = kStages - 1; stage >= 1; --stage) read_step(plan, stage);
  const int maps = header.classes - 1;
  const Matrix found = matrix_of(next(plan, Kind::kHead, 1, 0, maps * header.widths[0] + maps), maps);
  head = blocks(found.weights.data(), found.bias.data(), maps, header.widths[0]);
  plan.finish();
}

std::vector<float> Network::next(PlanReader& plan, Kind kind, int stage, int index, int count) {
  parameters += static_cast<std::uint64_t>(count);
  return plan.next(kind, stage, index, static_cast<std::uint64_t>(count));
}

const float* Network::keep(std::vector<float> values) {
  storage_.push_back(std::move(values));
  return storage_.back().data();
}

Blocks Network::blocks(const float* weights, const float* bias, int outputs, int inputs) {
  return {keep(in_blocks(weights, bias, outputs, inputs, largest_block_)), outputs, inputs};
}

// `inputs` counts each tap of each input.
Dense Network::dense(PlanReader& plan, Kind kind, int index, int outputs, int inputs) {
  const int stage = kind == Kind::kTop ? kStages : 1;
  const float* record = keep(next(plan, kind, stage, index, outputs * (inputs + 2)));
  const float* bias = record + static_cast<std::ptrdiff_t>(outputs) * inputs;
  return {blocks(record, bias, outputs, inputs), bias + outputs};
}

Depthwise Network::tail(PlanReader& plan, int stage, int index, int channels) {
  const float* record = keep(next(plan, Kind::kLongTail, stage, index, channels * (kTaps5 + 2)));
  const float* bias = record + static_cast<std::ptrdiff_t>(channels) * kTaps5;
  return {record, bias, bias + channels};
}

Pyramid Network::pyramid(PlanReader& plan, int stage, int index, int n) {
  const float* at = keep(next(plan, Kind::kPyramid, stage, index, kBranches * n * (kTaps3 + 1 + n + 2)));
  Pyramid found{};
  found.taps = at;
  found.attention = found.taps + static_cast<std::ptrdiff_t>(kBranches) * n * kTaps3;
  const float* fuse = found.attention + static_cast<std::ptrdiff_t>(kBranches) * n;
  for (Blocks& branch : found.fuse) {
    branch = blocks(fuse, nullptr, n, n);
    fuse += static_cast<std::ptrdiff_t>(n) * n;
  }
  found.shift = fuse;
  found.slopes = fuse + static_cast<std::ptrdiff_t>(kBranches) * n;
  return found;
}

void Network::read_first_stage(PlanReader& plan) {
  const int c = header.widths[0];
  first.long_conv = dense(plan, Kind::kFirstLong, 0, c, header.channels * kTaps5);
  first.down_conv = dense(plan, Kind::kFirstDown, 0, c, header.channels * kTaps3);
  for (int index = 1; index <= header.depths[0]; ++index) {
    ConvBlock block{};
    block.has_long = index <= header.long_depths[0];
    if (block.has_long) {
      const Matrix entry = matrix_of(next(plan, Kind::kLongEntry, 1, index, c * (c + 1)), c);
      block.entry = blocks(entry.weights.data(), entry.bias.data(), c, c);
      block.tail = tail(plan, 1, index, c);
    }
    block.conv = dense(plan, Kind::kConvBlock, index, c, c * kTaps3);
    first.blocks.push_back(block);
  }
}

void Network::read_stage(PlanReader& plan, int stage) {
  Stage& found = stages[stage - 2];
  const int before = 2 * header.widths[stage - 2];
  const int c = header.widths[stage - 1];
  found.channels = c;
  const int n = found.narrow();
  for (int index = 0; index <= header.depths[stage - 1]; ++index) {
    const int inputs = index == 0 ? before : c;
    PyramidBlock block{};
    block.has_long = index <= header.long_depths[stage - 1];
    Matrix side;
    if (block.has_long) {
      side = matrix_of(next(plan, Kind::kLongEntry, stage, index, c * (inputs + 1)), c);
      block.tail = tail(plan, stage, index, c);
    }
    Matrix main = matrix_of(next(plan, Kind::kPyramidEntry, stage, index, n * (inputs + 1)), n);
    if (stage == 2 && index == 0) {
      first.long_exit = blocks(side.weights.data(), side.bias.data(), c, inputs);
      first.down_exit = blocks(main.weights.data(), main.bias.data(), n, inputs);
    } else {
      const Matrix both = block.has_long ? stacked(std::move(side), main) : std::move(main);
      block.entry = blocks(both.weights.data(), both.bias.data(), static_cast<int>(both.bias.size()), inputs);
    }
    block.pyramid = pyramid(plan, stage, index, n);
    found.blocks.push_back(block);
  }
}

void Network::read_step(PlanReader& plan, int stage) {
  DecoderStep& step = steps[stage - 1];
  const int c = header.widths[stage - 1];
  const int coarse = header.widths[stage];
  const Matrix reduce = matrix_of(next(plan, Kind::kReduce, stage, 0, c * (coarse + 1)), c);
  step.channels = c;
  step.reduce = blocks(reduce.weights.data(), reduce.bias.data(), c, coarse);
  const float* record = keep(next(plan, Kind::kFusion, stage, 0, c * (kTaps5 + c + 2)));
  const float* skip = record + static_cast<std::ptrdiff_t>(c) * kTaps5;
  const float* bias = skip + static_cast<std::ptrdiff_t>(c) * c;
  step.fusion = {record, nullptr, bias + c};
  step.skip = blocks(skip, bias, c, c);
}

}  // namespace miniseg
