// What a set of kernels does, and the arguments of each: plain data, so that code for different instruction sets can
// share this header.
//
// A map is stored row by row, and a row channel by channel: columns lie one after the other, channels `stride` floats
// apart. Between the columns of two channels are at least kHalo zeros: the padding of convolutions on both sides.
// A row that a convolution of stride 2 reads is split: even columns first, odd ones `odd` floats behind them, so that
// every load is contiguous. Widths are padded to multiples of kTile; kernels fill the padding with arbitrary finite
// values, which the caller sets to zero where a convolution will read them.
//
// The order of each pixel's sum is part of a kernel's contract: bias, then input channels, then rows, then columns, each
// in ascending order, one fused multiply-add at a time. That is what makes the bits equal everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

namespace miniseg {

constexpr int kTile = 32;
constexpr int kHalo = 16;
constexpr int kBranches = 4;
constexpr int kPyramidRows = 9;

// Columns that the pyramid works on at once, so that its sums stay in the first-level cache.
constexpr int kSegment = 128;

// The weights of a dense layer in blocks of outputs (block_size): for each block its biases, then for each input (and
// each of its taps, in rows and columns) one weight per output.
struct Blocks {
  const float* values;
  int outputs;
  int inputs;
};

// Where a layer's activated values v go: v, base + v, or (base - minus) + v. All three rows have one stride.
struct Residual {
  float* output;
  const float* base;
  const float* minus;
  std::ptrdiff_t stride;
};

// 1x1 convolution of up to two inputs side by side; PReLU where there are slopes; split where `odd` is not 0.
struct PointwiseRow {
  const float* inputs[2];
  int channels[2];
  std::ptrdiff_t input_stride;
  Blocks weights;
  const float* slopes;
  float* output;
  std::ptrdiff_t output_stride;
  int odd;
  int width;
};

// Dense convolution, 3x3 or 5x5, of stride 1 or 2, and PReLU. `rows` are the input's, from the first tap's on.
struct DenseRow {
  const float* const* rows;
  int channels;
  std::ptrdiff_t input_stride;
  int odd;
  Blocks weights;
  const float* slopes;
  Residual to;
  int width;
};

// Depthwise 5x5 convolution and PReLU of `count` output rows, 1..kernels.depthwise_rows.
// Sums begin with the bias, or where `start` is not null with its rows.
// With v the activated values: output = v, or carried + v; and total = base + v where `total` is not null.
struct DepthwiseRows {
  const float* const* rows;
  std::ptrdiff_t input_stride;
  int odd;
  int channels;
  const float* weights;  // [channel][25]
  const float* bias;
  const float* slopes;
  int count;
  std::ptrdiff_t stride;  // of all rows below
  const float* const* start;
  float* const* output;
  const float* const* carried;
  float* const* total;
  const float* const* base;
  int width;
};

// The AHSP block behind its 1x1 convolution: four dilated depthwise 3x3, their cumulative sums, gates, fusion, PReLU.
struct PyramidRow {
  const float* rows[kPyramidRows];  // at -8, -4, -2, -1, 0, 1, 2, 4, 8
  std::ptrdiff_t input_stride;
  int odd;
  int channels;            // of each branch
  const float* taps;       // [branch][channel][9]
  const float* attention;  // [branch][channel]
  Blocks fuse[kBranches];
  const float* shift;   // [branch * channels]
  const float* slopes;  // the same
  float* scratch;       // kBranches * channels * kSegment floats
  Residual to;
  int width;
};

// Weights of bilinear upsampling along the columns; each table has one value per source column.
//     even column 2j     = even[0] t[j-1] + even[1] t[j] + even[2] t[j+1]
//     odd column 2j + 1  = odd[0] t[j] + odd[1] t[j+1]
struct ColumnWeights {
  const float* even[3];
  const float* odd[2];
};

// Twice as many columns, and a row between (or at) two others.
struct UpsampledRow {
  const float* rows[2];
  float weights[2];
  std::ptrdiff_t input_stride;
  int channels;
  ColumnWeights columns;
  float* scratch;  // a row of one channel, with kHalo floats on both sides
  float* output;
  std::ptrdiff_t output_stride;
  int width;  // of the output, padded
};

// A row of pixels to normalised values, split: factor * clamp(x, low, high) + offset. NaN stays NaN.
struct PreparedRow {
  const void* pixels;
  std::ptrdiff_t pixel_stride;  // bytes
  int type;                     // miniseg_type
  float low, high, factor, offset;
  float* output;
  int odd;
  int width;  // in pixels, not padded: no other pixel is read
};

// Logit maps to classes: the largest map above 0, the first of equal ones; 255 where one is not finite.
struct MaskRow {
  const float* logits;
  std::ptrdiff_t stride;
  int maps;
  std::uint8_t* output;
  int width;
};

// A set of kernels, compiled for one instruction set.
struct Kernels {
  int block_outputs;   // the largest block of outputs that Blocks may have
  int depthwise_rows;  // the most rows that a call of `depthwise` and its variants makes
  void (*pointwise)(const PointwiseRow&);
  void (*dense3)(const DenseRow&);         // stride 1
  void (*dense3_stride2)(const DenseRow&);
  void (*dense5_stride2)(const DenseRow&);
  void (*depthwise)(const DepthwiseRows&);
  void (*depthwise_stride2)(const DepthwiseRows&);
  void (*fusion)(const DepthwiseRows&);  // only the 17 taps of two 3x3 kernels of dilation 1 and 2
  void (*pyramid)(const PyramidRow&);
  void (*pyramid_stride2)(const PyramidRow&);
  void (*upsample)(const UpsampledRow&);
  void (*prepare)(const PreparedRow&);
  void (*mask)(const MaskRow&);
};

// Outputs are divided as evenly as blocks of at most `largest` allow; the first blocks are the larger ones.
constexpr int block_count(int outputs, int largest) { return (outputs + largest - 1) / largest; }
constexpr int block_size(int outputs, int largest, int index) {
  const int count = block_count(outputs, largest);
  return outputs / count + (index < outputs % count ? 1 : 0);
}

}  // namespace miniseg
