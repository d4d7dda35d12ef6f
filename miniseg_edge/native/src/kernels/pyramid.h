// The pyramid of an AHSP block. Its cumulative sums d_1..d_4 go through a buffer in the first-level cache, so that any
// number of channels will do. With U the fusing matrix of a branch and a its attention:
//     v = (U d) (1 + sigmoid(a d)) + shift, since the gate is one number for all channels of the branch.
#pragma once

#include "block.h"
#include "exponential.h"
#include "taps.h"

namespace {

using miniseg::kBranches;
using miniseg::kSegment;
using miniseg::PyramidRow;

// sums = start + a 3x3 kernel of dilation kDilation, for one channel. `lines` are its three rows; start may be null.
template <int kStride, int kDilation>
MINISEG_INLINE void branch(const float* const lines[3], int odd, const float* weights, const float* start, float* sums,
                           int width) {
  Vector weight[9];
  MINISEG_UNROLL for (int k = 0; k < 9; ++k) weight[k] = broadcast(weights[k]);
  for (int x = 0; x < width; x += kLanes) {
    Vector sum = start != nullptr ? load(start + x) : broadcast(0.0F);
    MINISEG_UNROLL for (int ky = 0; ky < 3; ++ky) {
      const float* at = lines[ky] + x;
      const Vector centre = load(at);
      Vector left;
      if constexpr (kDilation % kStride == 0) {
        left = earlier<kDilation / kStride>(at, load(at - kLanes), centre);
      } else {
        left = load(at + tap<kStride>(-kDilation, odd));
      }
      sum = multiply_add(weight[3 * ky], left, sum);
      sum = multiply_add(weight[3 * ky + 1], centre, sum);
      sum = multiply_add(weight[3 * ky + 2], load(at + tap<kStride>(kDilation, odd)), sum);
    }
    store(sums + x, sum);
  }
}

// The cumulative sum of branch kIndex, from that of the branch before it.
template <int kStride, int kIndex>
void cumulative_sums(const PyramidRow& row, int x, int width) {
  for (int c = 0; c < row.channels; ++c) {
    const std::ptrdiff_t place = c * row.input_stride + x;
    const float* const lines[3] = {row.rows[3 - kIndex] + place, row.rows[4] + place, row.rows[5 + kIndex] + place};
    float* sums = row.scratch + (kIndex * row.channels + c) * kSegment;
    const float* start = kIndex > 0 ? sums - row.channels * kSegment : nullptr;
    branch<kStride, 1 << kIndex>(lines, row.odd, row.taps + (kIndex * row.channels + c) * 9, start, sums, width);
  }
}

// Gates and fusion of one branch.
MINISEG_INLINE void fuse_branch(const PyramidRow& row, int index, int x0, int width) {
  const float* sums = row.scratch + index * row.channels * kSegment;
  const float* attention = row.attention + index * row.channels;
  float gates[kSegment];
  for (int x = 0; x < width; x += kLanes) {
    Vector z = broadcast(0.0F);
    for (int c = 0; c < row.channels; ++c) z = multiply_add(broadcast(attention[c]), load(sums + c * kSegment + x), z);
    store(gates + x, gate(z));
  }
  for_each_block(row.fuse[index], [&](auto size, const float* weights, int channel) {
    constexpr int kOutputs = size.value;
    const int first = index * row.channels + channel;
    for (int x = 0; x < width; x += kBlockVectors * kLanes) {
      Sums<kOutputs, kBlockVectors> fused;
      const float* weight = weights;
      fused.start(weight);
      for (int c = 0; c < row.channels; ++c) fused.add(sums + c * kSegment + x, weight += kOutputs);
      MINISEG_UNROLL for (int o = 0; o < kOutputs; ++o) {
        const Vector shift = broadcast(row.shift[first + o]);
        MINISEG_UNROLL for (int n = 0; n < kBlockVectors; ++n) {
          fused.at[o][n] = multiply_add(fused.at[o][n], load(gates + x + n * kLanes), shift);
        }
      }
      fused.activate(row.slopes + first);
      fused.put(row.to, first, x0 + x);
    }
  });
}

template <int kStride>
void pyramid(const PyramidRow& given) {
  const PyramidRow row = given;  // a copy that no store can change
  for (int x = 0; x < row.width; x += kSegment) {
    const int width = row.width - x < kSegment ? row.width - x : kSegment;
    cumulative_sums<kStride, 0>(row, x, width);
    cumulative_sums<kStride, 1>(row, x, width);
    cumulative_sums<kStride, 2>(row, x, width);
    cumulative_sums<kStride, 3>(row, x, width);
    for (int index = 0; index < kBranches; ++index) fuse_branch(row, index, x, width);
  }
}

}  // namespace
