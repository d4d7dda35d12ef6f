// AVX-512: 32 registers of 16 floats.
#pragma once

#include <immintrin.h>

namespace {

constexpr int kLanes = 16;
typedef float Vector __attribute__((vector_size(64)));
typedef unsigned Bits __attribute__((vector_size(64)));

constexpr int kBlockOutputs = 8;   // with kBlockVectors, half of the registers: the rest is for inputs and weights
constexpr int kBlockVectors = 2;
constexpr int kDepthwiseRows = 4;
constexpr int kDepthwiseVectors = 2;

inline __attribute__((always_inline)) Vector broadcast(float value) { return (Vector)_mm512_set1_ps(value); }

// a b + c, rounded once.
inline __attribute__((always_inline)) Vector multiply_add(Vector a, Vector b, Vector c) {
  return (Vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

// Keeps a loaded vector in a register: a load that crosses a cache line costs two, and compilers repeat it for each use.
inline __attribute__((always_inline)) void keep(Vector& v) { asm("" : "+v"(v)); }

// The vector that begins kDistance floats before `at`, of which `before` and `here` are the aligned neighbours: one
// instruction of another port in the place of a load that crosses a cache line.
template <int kDistance>
inline __attribute__((always_inline)) Vector earlier(const float*, Vector before, Vector here) {
  constexpr int k = kLanes - kDistance;
  return __builtin_shufflevector(before, here, k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7, k + 8, k + 9, k + 10,
                                 k + 11, k + 12, k + 13, k + 14, k + 15);
}

inline __attribute__((always_inline)) Vector even(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}
inline __attribute__((always_inline)) Vector odd(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
inline __attribute__((always_inline)) Vector interleaved_low(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline __attribute__((always_inline)) Vector interleaved_high(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

}  // namespace
