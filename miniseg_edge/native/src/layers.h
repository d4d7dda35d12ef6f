// Kernels called on rows of maps.
#pragma once

#include "network.h"
#include "rows.h"

namespace miniseg {

// A row of a map, from one of its channels on.
struct Place {
  const Rows& rows;
  int y;
  int channel = 0;
  const float* read() const { return rows.read(y, channel); }
  float* at() const { return rows.at(y) + channel * rows.format().stride; }
};

// A 1x1 convolution of one row, or of two with equal formats side by side.
void pointwise(const Kernels& kernels, const Blocks& weights, const float* slopes, Place input, Place output);
void pointwise(const Kernels& kernels, const Blocks& weights, Place first, Place second, Place output);

// Output rows [begin, end) of a depthwise layer that reads `input`, from one of its channels on.
struct DepthwiseLayer {
  const Depthwise& weights;
  int channels;
  int stride;
  const Rows& input;
  int input_channel;
};

// Where the rows go and what is added to them; see DepthwiseRows. Null: nothing.
struct DepthwiseTargets {
  const Rows* output;
  const Rows* start = nullptr;
  const Rows* carried = nullptr;
  const Rows* total = nullptr;
  const Rows* base = nullptr;
};

void depthwise(const Kernels& kernels, const DepthwiseLayer& layer, const DepthwiseTargets& to, int begin, int end);

// Row `y` of a pyramid.
struct PyramidLayer {
  const Pyramid& weights;
  int narrow;
  int stride;
  const Rows& input;
  int input_channel;
  float* scratch;  // pyramid_scratch(narrow) floats
};

std::uint64_t pyramid_scratch(int narrow);

void pyramid(const Kernels& kernels, const PyramidLayer& layer, const Residual& to, int width, int y);

}  // namespace miniseg
