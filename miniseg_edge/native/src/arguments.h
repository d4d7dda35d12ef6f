// The interface's arguments, checked before anything is done with them, and exceptions turned into codes.
#pragma once

#include <cstdint>
#include <new>

#include "miniseg.h"
#include "refusal.h"

namespace miniseg {

// Fills the caller's error, if there is one; gives the code.
int32_t report(miniseg_error* error, miniseg_code code, const char* message);

// Runs `work`, and says how it ended.
template <typename Work>
int32_t guarded(miniseg_error* error, const Work& work) noexcept {
  try {
    work();
    return report(error, MINISEG_OK, "");
  } catch (const Refusal& refusal) {
    return report(error, refusal.code(), refusal.what());
  } catch (const std::bad_alloc&) {
    return report(error, MINISEG_MEMORY, "the host gives no more memory");
  } catch (...) {
    return report(error, MINISEG_INTERNAL, "a fault of this library");
  }
}

// Refuses (MINISEG_ARGUMENT).
void require(bool right, const char* otherwise);

void check_options(const miniseg_context_options* options);

// What a run takes and gives, for a context of these options.
void check_slice(const miniseg_slice* slice, std::uint32_t max_height, std::uint32_t max_width);
void check_output(const miniseg_output* output);

void check_strides(const miniseg_volume& volume, const miniseg_slice& first, const miniseg_output& output);
void check_profile(const miniseg_profile* profile);
void check_chain(const miniseg_chain_options* options);

}  // namespace miniseg
