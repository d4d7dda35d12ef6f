// What depends on the operating system or processor, besides kernels.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace miniseg {

// Tells the processor that this thread waits in a loop.
inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Rounding to nearest and denormal numbers, whatever the calling program has set, for as long as this lives: other
// libraries turn denormals off for a whole thread, which would change bits.
class FloatEnvironment {
 public:
#if defined(__x86_64__) || defined(_M_X64)
  FloatEnvironment() : before_(_mm_getcsr()) { _mm_setcsr(kDefault); }
  ~FloatEnvironment() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned kDefault = 0x1F80;  // all exceptions masked
  unsigned before_;
#elif defined(__aarch64__)
  FloatEnvironment() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" : : "r"(std::uint64_t{0}));
  }
  ~FloatEnvironment() { asm volatile("msr fpcr, %0" : : "r"(before_)); }

 private:
  std::uint64_t before_ = 0;
#else
  FloatEnvironment() {}
  ~FloatEnvironment() {}
#endif
 public:
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;
};

// Sleeps until a counter is no longer what it was, as std::atomic's wait does. That loses wake-ups in the library of
// mingw-w64's g++ 12, so Windows' own is called there.
void sleep_while(const std::atomic<int>& counter, int value);

// Wakes all that sleep on a counter, after it was changed.
void wake_all(std::atomic<int>& counter);

// The number of this process; another one after fork.
std::uint64_t process_id();

// A thread of the library: named, and deaf to the program's signals.
class Thread {
 public:
  // Refuses (MINISEG_THREADS) where the host gives no more.
  void start(int number, std::function<void()> work);
  void join();

 private:
  [[maybe_unused]] std::uintptr_t handle_ = 0;
};

// Zeroed memory in whole pages. Null where the host gives no more.
void* take_pages(std::uint64_t bytes);
void give_pages_back(void* pages, std::uint64_t bytes);

}  // namespace miniseg
