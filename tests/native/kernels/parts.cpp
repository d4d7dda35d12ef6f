// Single kernels and their parts, for tests: compiled for each instruction set beside kernels.cpp.
#include <initializer_list>

#include "kernels/exponential.h"
#include "kernels/vector.h"
#include "kernels.h"

namespace miniseg {
extern const Kernels MINISEG_KERNELS;
}

namespace {

// Calls part(vectors...) for each vector of `count` floats, a multiple of the lanes.
template <typename Part, typename... From>
void each(int count, float* to, const Part& part, const From*... from) {
  for (int i = 0; i < count; i += kLanes) store(to + i, part(load(from + i)...));
}

void exponentials(int count, const float* x, float* to) {
  each(count, to, [](Vector v) { return exponential(v); }, x);
}

void gates(int count, const float* x, float* to) {
  each(count, to, [](Vector v) { return gate(v); }, x);
}

void prelus(int count, const float* x, const float* slopes, float* to) {
  each(count, to, [](Vector v, Vector slope) { return prelu(v, slope); }, x, slopes);
}

void multiply_adds(int count, const float* a, const float* b, const float* c, float* to) {
  each(count, to, [](Vector x, Vector y, Vector z) { return multiply_add(x, y, z); }, a, b, c);
}

// Of a, and b behind it: even, odd, interleaved low and high; then b's floats from 1, 2, 4 and 8 places before.
void shuffles(const float* a, float* to) {
  const Vector first = load(a);
  const float* at = a + kLanes;
  const Vector second = load(at);
  for (const Vector v : {even(first, second), odd(first, second), interleaved_low(first, second),
                         interleaved_high(first, second)}) {
    store(to, v);
    to += kLanes;
  }
  store(to, earlier<1>(at, first, second));
  store(to + kLanes, earlier<2>(at, first, second));
  store(to + 2 * kLanes, earlier<4>(at, first, second));
  if constexpr (kLanes >= 8) store(to + 3 * kLanes, earlier<8>(at, first, second));
}

}  // namespace

struct Parts {
  const miniseg::Kernels* kernels;
  int lanes;
  void (*exponentials)(int, const float*, float*);
  void (*gates)(int, const float*, float*);
  void (*prelus)(int, const float*, const float*, float*);
  void (*multiply_adds)(int, const float*, const float*, const float*, float*);
  void (*shuffles)(const float*, float*);
};

extern "C" {
extern __attribute__((visibility("default"))) const Parts MINISEG_PARTS;
}

const Parts MINISEG_PARTS = {
    &miniseg::MINISEG_KERNELS, kLanes, exponentials, gates, prelus, multiply_adds, shuffles,
};
