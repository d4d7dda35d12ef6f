#include "team.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#elif !defined(__wasm__)
#include <sched.h>
#endif

namespace miniseg {

#if defined(__wasm__)

void wait_while(const std::atomic<int>&, int) {}  // one thread: there is nothing to wait for

#else

namespace {

constexpr int kSpins = 2000;  // some 30 to 100 us
constexpr int kYields = 200;

void let_others_run() {
#if defined(_WIN32)
  SwitchToThread();
#else
  sched_yield();
#endif
}

}  // namespace

void wait_while(const std::atomic<int>& counter, int value) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (counter.load(std::memory_order_acquire) != value) return;
    pause();
  }
  for (int turn = 0; turn < kYields; ++turn) {
    if (counter.load(std::memory_order_acquire) != value) return;
    let_others_run();
  }
  sleep_while(counter, value);
}

#endif

Team::Team(int threads, std::function<void(int)> work)
    : threads_(threads), work_(std::move(work)), process_(process_id()), helpers_(new Thread[static_cast<std::size_t>(threads)]) {
  for (int number = 1; number < threads_; ++number) {
    try {
      helpers_[static_cast<std::size_t>(number)].start(number, [this, number] { serve(number); });
    } catch (...) {
      stop(number);
      throw;
    }
  }
}

Team::~Team() {
  if (!forked()) stop(threads_);
}

void Team::stop(int started) {
  stopping_.store(true, std::memory_order_relaxed);
  runs_.fetch_add(1, std::memory_order_release);
  wake_all(runs_);
  for (int number = 1; number < started; ++number) helpers_[static_cast<std::size_t>(number)].join();
}

void Team::run() {
  if (threads_ > 1) {
    runs_.fetch_add(1, std::memory_order_release);
    wake_all(runs_);
  }
  work_(0);
  meet([] {});
}

void Team::serve(int number) {
  const FloatEnvironment environment;
  int seen = 0;
  for (;;) {
    wait_while(runs_, seen);
    seen = runs_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    work_(number);
    meet([] {});
  }
}

}  // namespace miniseg
