// The weights of a dense layer in the order in which kernels read them (kernels.h).
#pragma once

#include <cstddef>
#include <vector>

#include "kernels.h"

namespace miniseg {

// `weights`: [outputs][inputs], each tap an input of its own; `bias`: null for zeros. `largest`: Kernels::block_outputs.
inline std::vector<float> in_blocks(const float* weights, const float* bias, int outputs, int inputs, int largest) {
  std::vector<float> packed;
  packed.reserve(static_cast<std::size_t>(outputs) * static_cast<std::size_t>(inputs + 1));
  int first = 0;
  for (int index = 0; first < outputs; ++index) {
    const int end = first + block_size(outputs, largest, index);
    for (int o = first; o < end; ++o) packed.push_back(bias == nullptr ? 0.0F : bias[o]);
    for (int i = 0; i < inputs; ++i) {
      for (int o = first; o < end; ++o) packed.push_back(weights[static_cast<std::ptrdiff_t>(o) * inputs + i]);
    }
    first = end;
  }
  return packed;
}

}  // namespace miniseg
