// What each layer of a run takes: the kernels of a set, each call of which is timed, and a stopwatch for each thread.
//
// Kernels know nothing of layers, but each call has the weights of its layer, or memory of its own where there are none:
// that is the key by which it is told. Runs that are not profiled use the set itself and pay nothing.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "kernels.h"

namespace miniseg {

// The layers that keys belong to, by their place in a list.
using LayerKeys = std::unordered_map<const void*, std::size_t>;

class Stopwatch {
 public:
  Stopwatch(const Kernels& kernels, const LayerKeys& keys, std::size_t layers)
      : kernels_(kernels), keys_(keys), nanoseconds_(layers) {}

  // From now on, timed kernels that this thread calls are this stopwatch's.
  void start();

  // This thread has none any more.
  static void stop();

  // Of each layer, since it was made or cleared.
  const std::vector<std::uint64_t>& nanoseconds() const { return nanoseconds_; }
  void clear() { nanoseconds_.assign(nanoseconds_.size(), 0); }

  const Kernels& kernels() const { return kernels_; }
  void add(const void* key, std::uint64_t nanoseconds) {
    const auto found = keys_.find(key);
    if (found != keys_.end()) nanoseconds_[found->second] += nanoseconds;
  }

 private:
  const Kernels& kernels_;
  const LayerKeys& keys_;
  std::vector<std::uint64_t> nanoseconds_;
};

// What `prepare` and `mask` are told by.
extern const void* const kPrepareKey;
extern const void* const kMaskKey;

std::uint64_t now_in_nanoseconds();

// A set whose kernels do the same in the same order, and tell the stopwatch of the thread that calls them.
Kernels timed(const Kernels& kernels);

}  // namespace miniseg
