// One block of memory, handed out in pieces. Without a block it only measures what would be taken, so that the same
// code says how much there must be and lays it out.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define MINISEG_GUARDED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MINISEG_GUARDED 1
#endif
#endif

#if defined(MINISEG_GUARDED)
#include <sanitizer/asan_interface.h>
#endif

namespace miniseg {

class Arena {
 public:
  explicit Arena(char* block = nullptr) : block_(block) {}

  // Aligned to a cache line; null while measuring.
  float* floats(std::uint64_t count) {
    const std::uint64_t begin = used_;
    used_ += (count * sizeof(float) + kLine - 1) / kLine * kLine;
    guard();
    return block_ == nullptr ? nullptr : reinterpret_cast<float*>(block_ + begin);
  }

  std::uint64_t used() const { return used_; }

  // Takes all guards away.
  static void open([[maybe_unused]] char* block, [[maybe_unused]] std::uint64_t bytes) {
#if defined(MINISEG_GUARDED)
    __asan_unpoison_memory_region(block, bytes);
#endif
  }

 private:
  static constexpr std::uint64_t kLine = 64;

  // Under AddressSanitizer, memory behind each piece that must not be touched.
  void guard() {
#if defined(MINISEG_GUARDED)
    constexpr std::uint64_t kGuard = 64 * kLine;
    if (block_ != nullptr) __asan_poison_memory_region(block_ + used_, kGuard);
    used_ += kGuard;
#endif
  }

  char* block_;
  std::uint64_t used_ = 0;
};

}  // namespace miniseg
