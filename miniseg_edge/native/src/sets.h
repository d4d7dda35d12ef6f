// The sets of kernels in this library, and which of them this processor can run.
#pragma once

#include <cstdint>

#include "kernels.h"

namespace miniseg {

// Whether a set (miniseg_set) is in the library and the processor has it.
bool has_set(std::uint32_t set);

// The set itself, MINISEG_SET_BEST resolved. Refuses one that cannot run here.
std::uint32_t resolved_set(std::uint32_t set);

// Of a resolved set.
const Kernels& kernels_of(std::uint32_t set);

}  // namespace miniseg
