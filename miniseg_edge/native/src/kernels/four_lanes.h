// What sets of four lanes have in common.
#pragma once

namespace {

constexpr int kLanes = 4;
typedef float Vector __attribute__((vector_size(16)));
typedef unsigned Bits __attribute__((vector_size(16)));

inline __attribute__((always_inline)) Vector broadcast(float value) { return Vector{value, value, value, value}; }

// The vector that begins kDistance floats before `at`.
template <int kDistance>
inline __attribute__((always_inline)) Vector earlier(const float* at, Vector, Vector) {
  Vector v;
  __builtin_memcpy(&v, at - kDistance, sizeof v);
  return v;
}

inline __attribute__((always_inline)) Vector even(Vector a, Vector b) { return __builtin_shufflevector(a, b, 0, 2, 4, 6); }
inline __attribute__((always_inline)) Vector odd(Vector a, Vector b) { return __builtin_shufflevector(a, b, 1, 3, 5, 7); }
inline __attribute__((always_inline)) Vector interleaved_low(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 0, 4, 1, 5);
}
inline __attribute__((always_inline)) Vector interleaved_high(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 2, 6, 3, 7);
}

}  // namespace
