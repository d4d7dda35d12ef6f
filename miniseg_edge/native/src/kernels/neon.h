// NEON of AArch64: 32 registers of 4 floats.
#pragma once

#include <arm_neon.h>

#include "four_lanes.h"

namespace {

constexpr int kBlockOutputs = 8;
constexpr int kBlockVectors = 2;
constexpr int kDepthwiseRows = 2;
constexpr int kDepthwiseVectors = 2;

// a b + c, rounded once.
inline __attribute__((always_inline)) Vector multiply_add(Vector a, Vector b, Vector c) {
  return (Vector)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

// See avx512.h.
inline __attribute__((always_inline)) void keep(Vector& v) { asm("" : "+w"(v)); }

}  // namespace
