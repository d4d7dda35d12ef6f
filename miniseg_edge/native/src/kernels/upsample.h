// Bilinear upsampling to twice the size, or to one less.
#pragma once

#include "../kernels.h"
#include "vector.h"

namespace {

using miniseg::UpsampledRow;

void upsample(const UpsampledRow& given) {
  const UpsampledRow row = given;  // a copy that no store can change
  const auto& [even_weights, odd_weights] = row.columns;
  const Vector above = broadcast(row.weights[0]);
  const Vector below = broadcast(row.weights[1]);
  const int columns = row.width / 2;
  for (int c = 0; c < row.channels; ++c) {
    const float* first = row.rows[0] + c * row.input_stride;
    const float* second = row.rows[1] + c * row.input_stride;
    float* between = row.scratch;
    for (int x = 0; x < columns + kLanes; x += kLanes) {
      store(between + x, multiply_add(below, load(second + x), above * load(first + x)));
    }
    float* output = row.output + c * row.output_stride;
    for (int x = 0; x < columns; x += kLanes) {
      const Vector here = load(between + x);
      const Vector after = load(between + x + 1);
      Vector at_even = load(even_weights[1] + x) * here;
      at_even = multiply_add(load(even_weights[0] + x), load(between + x - 1), at_even);
      at_even = multiply_add(load(even_weights[2] + x), after, at_even);
      const Vector at_odd = multiply_add(load(odd_weights[1] + x), after, load(odd_weights[0] + x) * here);
      store(output + 2 * x, interleaved_low(at_even, at_odd));
      store(output + 2 * x + kLanes, interleaved_high(at_even, at_odd));
    }
  }
}

}  // namespace
