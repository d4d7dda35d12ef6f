#include "sets.h"

#include "miniseg.h"
#include "processor.h"
#include "refusal.h"

namespace miniseg {

extern const Kernels kernels_plain;
#if defined(__x86_64__) || defined(_M_X64)
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#elif defined(__aarch64__)
extern const Kernels kernels_neon;
#elif defined(__wasm_simd128__)
extern const Kernels kernels_simd128;
#endif

namespace {

// Null: not in this library.
const Kernels* set_in_library(std::uint32_t set) {
  switch (set) {
    case MINISEG_SET_PLAIN:
      return &kernels_plain;
#if defined(__x86_64__) || defined(_M_X64)
    case MINISEG_SET_AVX2:
      return &kernels_avx2;
    case MINISEG_SET_AVX512:
      return &kernels_avx512;
#elif defined(__aarch64__)
    case MINISEG_SET_NEON:
      return &kernels_neon;
#elif defined(__wasm_simd128__)
    case MINISEG_SET_SIMD128:
      return &kernels_simd128;
#endif
    default:
      return nullptr;
  }
}

bool processor_has(std::uint32_t set) {
  if (set == MINISEG_SET_AVX2) return processor().v3;
  if (set == MINISEG_SET_AVX512) return processor().v4;
  return set == MINISEG_SET_PLAIN || set == MINISEG_SET_NEON || set == MINISEG_SET_SIMD128;
}

}  // namespace

bool has_set(std::uint32_t set) { return set_in_library(set) != nullptr && processor_has(set); }

std::uint32_t resolved_set(std::uint32_t set) {
  if (set == MINISEG_SET_BEST) {
    for (const std::uint32_t best : {MINISEG_SET_AVX512, MINISEG_SET_AVX2, MINISEG_SET_NEON, MINISEG_SET_SIMD128}) {
      if (has_set(best)) return best;
    }
    return MINISEG_SET_PLAIN;
  }
  if (!has_set(set)) throw Refusal(MINISEG_UNSUPPORTED, "this processor or library does not have the instruction set");
  return set;
}

const Kernels& kernels_of(std::uint32_t set) { return *set_in_library(set); }

}  // namespace miniseg
