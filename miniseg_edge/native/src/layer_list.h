// The layers of a network by name, for a profile: what is computed, in order, and how many multiplications that takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "network.h"
#include "sizes.h"

namespace miniseg {

struct ListedLayer {
  std::string name;
  const char* kind;
  std::uint64_t multiplications;  // by the network's weights, for one slice
  const float* weights;           // what a kernel that computes the layer is called with; null: it has none
};

// Layers without weights, in the list's order: the slice's first, the four upsamplings before what reads them, then the
// mask.
std::vector<ListedLayer> listed_layers(const Network& network, const Sizes& sizes);

inline constexpr char kPrepare[] = "prepare";
inline constexpr char kUpsample[] = "upsample";
inline constexpr char kMask[] = "mask";

}  // namespace miniseg
