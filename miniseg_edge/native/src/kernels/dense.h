// Dense convolutions of 3x3 and 5x5 taps.
#pragma once

#include "block.h"
#include "taps.h"

namespace {

using miniseg::DenseRow;

template <int kKernel, int kStride>
void dense(const DenseRow& given) {
  const DenseRow row = given;  // a copy that no store can change
  for_each_block(row.weights, [&](auto size, const float* weights, int channel) {
    constexpr int kOutputs = size.value;
    for (int x = 0; x < row.width; x += kBlockVectors * kLanes) {
      Sums<kOutputs, kBlockVectors> sums;
      const float* weight = weights;
      sums.start(weight);
      weight += kOutputs;
      for (int i = 0; i < row.channels; ++i) {
        for (int ky = 0; ky < kKernel; ++ky) {
          const float* line = row.rows[ky] + i * row.input_stride + x;
          MINISEG_UNROLL for (int kx = 0; kx < kKernel; ++kx) {
            sums.add(line + tap<kStride>(kx - kKernel / 2, row.odd), weight);
            weight += kOutputs;
          }
        }
      }
      sums.activate(row.slopes + channel);
      sums.put(row.to, channel, x);
    }
  });
}

}  // namespace
