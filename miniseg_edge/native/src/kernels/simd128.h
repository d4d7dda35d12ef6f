// WebAssembly's 128-bit vectors: no number of registers is promised, and engines map them to 16 or 32.
#pragma once

#include "four_lanes.h"

namespace {

constexpr int kBlockOutputs = 4;
constexpr int kBlockVectors = 2;
constexpr int kDepthwiseRows = 2;
constexpr int kDepthwiseVectors = 1;

// a b + c, rounded twice: there is no fused multiply-add but in relaxed SIMD, where it is the engine's choice. So bits
// are not those of the other sets, but the same in every engine.
inline __attribute__((always_inline)) Vector multiply_add(Vector a, Vector b, Vector c) { return a * b + c; }

inline void keep(Vector&) {}

}  // namespace
