// A block of sums in registers: some outputs by some vectors of columns, as dense layers work on them.
#pragma once

#include "../kernels.h"
#include "vector.h"

namespace {

using miniseg::Blocks;
using miniseg::Residual;

template <int kOutputs, int kVectors>
struct Sums {
  Vector at[kOutputs][kVectors];

  inline __attribute__((always_inline)) void start(const float* biases) {
    MINISEG_UNROLL for (int o = 0; o < kOutputs; ++o) {
      const Vector bias = broadcast(biases[o]);
      MINISEG_UNROLL for (int n = 0; n < kVectors; ++n) at[o][n] = bias;
    }
  }

  // Adds one input's product with one weight per output.
  inline __attribute__((always_inline)) void add(const float* column, const float* weights) {
    Vector input[kVectors];
    MINISEG_UNROLL for (int n = 0; n < kVectors; ++n) input[n] = load(column + n * kLanes);
    MINISEG_UNROLL for (int o = 0; o < kOutputs; ++o) {
      const Vector weight = broadcast(weights[o]);
      MINISEG_UNROLL for (int n = 0; n < kVectors; ++n) at[o][n] = multiply_add(weight, input[n], at[o][n]);
    }
  }

  inline __attribute__((always_inline)) void activate(const float* slopes) {
    MINISEG_UNROLL for (int o = 0; o < kOutputs; ++o) {
      const Vector slope = broadcast(slopes[o]);
      MINISEG_UNROLL for (int n = 0; n < kVectors; ++n) at[o][n] = prelu(at[o][n], slope);
    }
  }

  // To channels from `channel` on, at column x.
  inline __attribute__((always_inline)) void put(const Residual& to, int channel, int x) const {
    if (to.minus != nullptr) {
      put_each(to, channel, x, [&](std::ptrdiff_t place, Vector v) {
        return (load(to.base + place) - load(to.minus + place)) + v;
      });
    } else if (to.base != nullptr) {
      put_each(to, channel, x, [&](std::ptrdiff_t place, Vector v) { return load(to.base + place) + v; });
    } else {
      put_each(to, channel, x, [](std::ptrdiff_t, Vector v) { return v; });
    }
  }

 private:
  template <typename Final>
  inline __attribute__((always_inline)) void put_each(const Residual& to, int channel, int x, const Final& final) const {
    std::ptrdiff_t place = channel * to.stride + x;
    MINISEG_UNROLL for (int o = 0; o < kOutputs; ++o, place += to.stride) {
      MINISEG_UNROLL for (int n = 0; n < kVectors; ++n) {
        store(to.output + place + n * kLanes, final(place + n * kLanes, at[o][n]));
      }
    }
  }
};

// Calls work(Size<n>, weights, first output) for each block, with its number of outputs as a constant.
template <int kSize>
struct Size {
  static constexpr int value = kSize;
};

template <int kSize, typename Work>
MINISEG_INLINE void with_size(int size, const Work& work) {
  if constexpr (kSize > 0) {
    if (size == kSize) {
      work(Size<kSize>());
    } else {
      with_size<kSize - 1>(size, work);
    }
  }
}

template <typename Work>
MINISEG_INLINE void for_each_block(const Blocks& blocks, const Work& work) {
  const float* weights = blocks.values;
  int output = 0;
  for (int index = 0; output < blocks.outputs; ++index) {
    const int size = miniseg::block_size(blocks.outputs, kBlockOutputs, index);
    with_size<kBlockOutputs>(size, [&](auto constant) { work(constant, weights, output); });
    weights += static_cast<std::ptrdiff_t>(size) * (blocks.inputs + 1);
    output += size;
  }
}

}  // namespace
