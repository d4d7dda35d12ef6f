// The instruction set of this translation unit: its vector, and the few operations that are special to it.
#pragma once

#if defined(MINISEG_PLAIN)
#include "plain.h"
#elif defined(__AVX512F__)
#include "avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "avx2.h"
#elif defined(__ARM_NEON)
#include "neon.h"
#elif defined(__wasm_simd128__)
#include "simd128.h"
#else
#error "no instruction set"
#endif
