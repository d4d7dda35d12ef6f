// 1x1 convolutions.
#pragma once

#include "block.h"

namespace {

using miniseg::PointwiseRow;

template <int kOutputs, int kVectors>
MINISEG_INLINE void put_split(const Sums<kOutputs, kVectors>& sums, const PointwiseRow& row, int channel, int x) {
  static_assert(kVectors % 2 == 0);
  MINISEG_UNROLL for (int o = 0; o < kOutputs; ++o) {
    float* to = row.output + (channel + o) * row.output_stride + x / 2;
    MINISEG_UNROLL for (int n = 0; n < kVectors; n += 2) {
      store(to + n / 2 * kLanes, even(sums.at[o][n], sums.at[o][n + 1]));
      store(to + row.odd + n / 2 * kLanes, odd(sums.at[o][n], sums.at[o][n + 1]));
    }
  }
}

template <int kOutputs, bool kSplit>
MINISEG_INLINE void pointwise_block(const PointwiseRow& row, const float* weights, int channel) {
  // Few outputs make few sums at a time: more columns keep the multipliers busy.
  constexpr int kVectors = kSplit && kBlockVectors == 1 ? 2 : (kOutputs <= kBlockOutputs / 2 ? 2 : 1) * kBlockVectors;
  constexpr int kStep = kVectors * kLanes <= miniseg::kTile ? kVectors : kBlockVectors;
  for (int x = 0; x < row.width; x += kStep * kLanes) {
    Sums<kOutputs, kStep> sums;
    const float* weight = weights;
    sums.start(weight);
    weight += kOutputs;
    for (int part = 0; part < 2; ++part) {
      const float* column = row.inputs[part] + x;
      for (int i = 0; i < row.channels[part]; ++i) {
        sums.add(column, weight);
        column += row.input_stride;
        weight += kOutputs;
      }
    }
    if (row.slopes != nullptr) sums.activate(row.slopes + channel);
    if constexpr (kSplit) {
      put_split(sums, row, channel, x);
    } else {
      sums.put({row.output, nullptr, nullptr, row.output_stride}, channel, x);
    }
  }
}

void pointwise(const PointwiseRow& given) {
  const PointwiseRow row = given;  // a copy that no store can change
  for_each_block(row.weights, [&](auto size, const float* weights, int channel) {
    if (row.odd != 0) {
      pointwise_block<size.value, true>(row, weights, channel);
    } else {
      pointwise_block<size.value, false>(row, weights, channel);
    }
  });
}

}  // namespace
