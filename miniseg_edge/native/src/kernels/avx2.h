// AVX2 and FMA: 16 registers of 8 floats.
#pragma once

#include <immintrin.h>

namespace {

constexpr int kLanes = 8;
typedef float Vector __attribute__((vector_size(32)));
typedef unsigned Bits __attribute__((vector_size(32)));

constexpr int kBlockOutputs = 6;
constexpr int kBlockVectors = 2;
constexpr int kDepthwiseRows = 2;
constexpr int kDepthwiseVectors = 2;

inline __attribute__((always_inline)) Vector broadcast(float value) { return (Vector)_mm256_set1_ps(value); }

// a b + c, rounded once.
inline __attribute__((always_inline)) Vector multiply_add(Vector a, Vector b, Vector c) {
  return (Vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

// See avx512.h.
inline __attribute__((always_inline)) void keep(Vector& v) { asm("" : "+x"(v)); }

// The vector that begins kDistance floats before `at`. Half as many loads cross a line as with AVX-512: loading is best.
template <int kDistance>
inline __attribute__((always_inline)) Vector earlier(const float* at, Vector, Vector) {
  Vector v;
  __builtin_memcpy(&v, at - kDistance, sizeof v);
  return v;
}

inline __attribute__((always_inline)) Vector even(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}
inline __attribute__((always_inline)) Vector odd(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}
inline __attribute__((always_inline)) Vector interleaved_low(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
inline __attribute__((always_inline)) Vector interleaved_high(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

}  // namespace
