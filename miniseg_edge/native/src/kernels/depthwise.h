// Depthwise 5x5 convolutions: several output rows at once, so that each loaded vector serves several sums.
#pragma once

#include "../kernels.h"
#include "taps.h"

namespace {

using miniseg::DepthwiseRows;

struct AllTaps {
  static constexpr bool has(int, int) { return true; }
};

// Of a 3x3 kernel of dilation 1 and one of dilation 2.
struct FusionTaps {
  static constexpr bool has(int ky, int kx) {
    const bool near = ky >= 1 && ky <= 3 && kx >= 1 && kx <= 3;
    return near || (ky % 2 == 0 && kx % 2 == 0);
  }
};

MINISEG_INLINE void put_depthwise(const DepthwiseRows& rows, int q, std::ptrdiff_t place, Vector v) {
  if (rows.total != nullptr) store(rows.total[q] + place, load(rows.base[q] + place) + v);
  if (rows.carried != nullptr) v = load(rows.carried[q] + place) + v;
  store(rows.output[q] + place, v);
}

template <int kStride, int kRows, typename Taps>
void depthwise_exactly(const DepthwiseRows& given) {
  const DepthwiseRows rows = given;  // a copy that no store can change
  constexpr int kKernel = 5;
  constexpr int kVectors = kDepthwiseVectors;
  for (int c = 0; c < rows.channels; ++c) {
    const float* weights = rows.weights + c * kKernel * kKernel;
    const Vector slope = broadcast(rows.slopes[c]);
    const std::ptrdiff_t channel = c * rows.stride;
    for (int x = 0; x < rows.width; x += kVectors * kLanes) {
      Vector sums[kRows][kVectors];
      MINISEG_UNROLL for (int q = 0; q < kRows; ++q) MINISEG_UNROLL for (int n = 0; n < kVectors; ++n) {
        sums[q][n] = rows.start != nullptr ? load(rows.start[q] + channel + x + n * kLanes) : broadcast(rows.bias[c]);
      }
      MINISEG_UNROLL for (int r = 0; r < (kRows - 1) * kStride + kKernel; ++r) {
        const float* line = rows.rows[r] + c * rows.input_stride + x;
        MINISEG_UNROLL for (int kx = 0; kx < kKernel; ++kx) {
          Vector input[kVectors];
          MINISEG_UNROLL for (int n = 0; n < kVectors; ++n) {
            input[n] = load(line + tap<kStride>(kx - kKernel / 2, rows.odd) + n * kLanes);
            keep(input[n]);
          }
          MINISEG_UNROLL for (int q = 0; q < kRows; ++q) {
            const int ky = r - q * kStride;
            if (ky < 0 || ky >= kKernel || !Taps::has(ky, kx)) continue;
            const Vector weight = broadcast(weights[ky * kKernel + kx]);
            MINISEG_UNROLL for (int n = 0; n < kVectors; ++n) sums[q][n] = multiply_add(weight, input[n], sums[q][n]);
          }
        }
      }
      MINISEG_UNROLL for (int q = 0; q < kRows; ++q) MINISEG_UNROLL for (int n = 0; n < kVectors; ++n) {
        put_depthwise(rows, q, channel + x + n * kLanes, prelu(sums[q][n], slope));
      }
    }
  }
}

template <int kStride, typename Taps, int kRows = kDepthwiseRows>
void depthwise(const DepthwiseRows& rows) {
  if constexpr (kRows > 0) {
    if (rows.count == kRows) {
      depthwise_exactly<kStride, kRows, Taps>(rows);
    } else {
      depthwise<kStride, Taps, kRows - 1>(rows);
    }
  }
}

}  // namespace
