// A lock and a signal for threads that wait, or nothing at all where there is one thread only: WebAssembly.
#pragma once

#if !defined(__wasm__)
#include <condition_variable>
#include <mutex>
#endif

namespace miniseg {

#if defined(__wasm__)

struct Mutex {};

struct Lock {
  explicit Lock(Mutex&) {}
  ~Lock() {}  // not trivial, so that compilers see a use
};

// No other thread could end what is waited for, and no other started it.
struct Signal {
  void notify_all() {}
  template <typename Done>
  void wait(Lock&, const Done&) {}
};

#else

using Mutex = std::mutex;
using Lock = std::unique_lock<std::mutex>;
using Signal = std::condition_variable;

#endif

}  // namespace miniseg
