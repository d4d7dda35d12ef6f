// The threads of a context: the caller's and a few of its own, which sleep while nothing is to be done.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "platform.h"

namespace miniseg {

// Waits until a counter is no longer what it was: first in a loop, as layers take microseconds; then letting others run,
// as a busy host's core may be somebody else's; then asleep.
void wait_while(const std::atomic<int>& counter, int value);

class Team {
 public:
  // `work` is called with 0..threads - 1 in each run. Refuses (MINISEG_THREADS).
  Team(int threads, std::function<void(int)> work);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return threads_; }

  // Whether the threads were left behind by a fork.
  bool forked() const { return threads_ > 1 && process_ != process_id(); }

  // One call of the work in each thread, this one included; back when all are done.
  void run();

  // Within the work: waits for all threads. `last`: called once, by the last one to come, while the others wait.
  template <typename Last>
  void meet(const Last& last) {
    const int round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
      last();
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      if (threads_ > 1) wake_all(round_);
    } else {
      wait_while(round_, round);
    }
  }

 private:
  void serve(int number);
  void stop(int started);

  int threads_;
  std::function<void(int)> work_;
  std::uint64_t process_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<int> round_{0};
  alignas(64) std::atomic<int> runs_{0};
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Thread[]> helpers_;
};

}  // namespace miniseg
