#include "layers.h"

namespace miniseg {
namespace {

constexpr int kMaxRows = 4;  // output rows of one call
constexpr int kKernel = 5;
constexpr int kMaxInputRows = (kMaxRows - 1) * 2 + kKernel;
constexpr int kOffsets[kPyramidRows] = {-8, -4, -2, -1, 0, 1, 2, 4, 8};

void run(const Kernels& kernels, const Blocks& weights, const float* slopes, Place first, Place second, int second_channels,
         Place output) {
  const Format& in = first.rows.format();
  const Format& out = output.rows.format();
  kernels.pointwise({{first.read(), second.read()},
                     {weights.inputs - second_channels, second_channels},
                     in.stride,
                     weights,
                     slopes,
                     output.at(),
                     out.stride,
                     out.odd,
                     in.padded});
}

// The output rows of some maps, as kernels take them.
struct RowPointers {
  RowPointers(const Rows* rows, int begin, int end) : used(rows != nullptr) {
    for (int y = begin; used && y < end; ++y) at[y - begin] = rows->at(y);
  }
  float* const* write() const { return used ? at : nullptr; }
  const float* const* read() const { return used ? const_cast<const float* const*>(at) : nullptr; }

  bool used;
  float* at[kMaxRows] = {};
};

}  // namespace

void pointwise(const Kernels& kernels, const Blocks& weights, const float* slopes, Place input, Place output) {
  run(kernels, weights, slopes, input, input, 0, output);
}

void pointwise(const Kernels& kernels, const Blocks& weights, Place first, Place second, Place output) {
  run(kernels, weights, nullptr, first, second, weights.inputs / 2, output);
}

void depthwise(const Kernels& kernels, const DepthwiseLayer& layer, const DepthwiseTargets& to, int begin, int end) {
  const Format& out = to.output->format();
  const auto kernel = layer.stride == 2       ? kernels.depthwise_stride2
                      : to.start != nullptr ? kernels.fusion
                                            : kernels.depthwise;
  for (int y = begin; y < end; y += kernels.depthwise_rows) {
    const int count = end - y < kernels.depthwise_rows ? end - y : kernels.depthwise_rows;
    const float* input[kMaxInputRows];
    for (int r = 0; r < (count - 1) * layer.stride + kKernel; ++r) {
      input[r] = layer.input.read(y * layer.stride - kKernel / 2 + r, layer.input_channel);
    }
    const RowPointers output(to.output, y, y + count), start(to.start, y, y + count), carried(to.carried, y, y + count),
        total(to.total, y, y + count), base(to.base, y, y + count);
    kernel({input, layer.input.format().stride, layer.input.format().odd, layer.channels, layer.weights.weights,
            layer.weights.bias, layer.weights.slopes, count, out.stride, start.read(), output.write(), carried.read(),
            total.write(), base.read(), out.padded});
  }
}

std::uint64_t pyramid_scratch(int narrow) {
  return static_cast<std::uint64_t>(kBranches) * static_cast<std::uint64_t>(narrow) * kSegment;
}

void pyramid(const Kernels& kernels, const PyramidLayer& layer, const Residual& to, int width, int y) {
  const Pyramid& weights = layer.weights;
  PyramidRow row{};
  for (int r = 0; r < kPyramidRows; ++r) {
    row.rows[r] = layer.input.read(y * layer.stride + kOffsets[r], layer.input_channel);
  }
  row.input_stride = layer.input.format().stride;
  row.odd = layer.input.format().odd;
  row.channels = layer.narrow;
  row.taps = weights.taps;
  row.attention = weights.attention;
  for (int branch = 0; branch < kBranches; ++branch) row.fuse[branch] = weights.fuse[branch];
  row.shift = weights.shift;
  row.slopes = weights.slopes;
  row.scratch = layer.scratch;
  row.to = to;
  row.width = width;
  (layer.stride == 2 ? kernels.pyramid_stride2 : kernels.pyramid)(row);
}

}  // namespace miniseg
