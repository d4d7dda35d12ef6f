// A network's run on one slice, timed layer by layer.
#pragma once

#include <memory>
#include <vector>

#include "layer_list.h"
#include "runner.h"
#include "stopwatch.h"

namespace miniseg {

struct LayerTime {
  ListedLayer layer;
  std::uint64_t nanoseconds;  // of all threads together
};

class Profiler {
 public:
  // Takes what a runner takes, and refuses what it refuses.
  Profiler(const Network& network, const Kernels& kernels, int threads, int height, int width, std::uint64_t max_memory);
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  // Of the list that `layers` gives.
  static std::uint32_t count(const Network& network) {
    return static_cast<std::uint32_t>(listed_layers(network, Sizes(1, 1)).size() + 1);
  }

  // Runs a slice of this very size `runs` times, after once that does not count; the nanoseconds of the fastest run, from
  // its call to its end: that is the one that other processes have disturbed least.
  std::uint64_t run(const miniseg_slice& slice, const miniseg_output& output, int runs);

  // Of that run. The last one is what threads spend outside of layers: mostly waiting for each other.
  std::vector<LayerTime> layers() const;

 private:
  const Kernels& kernels_;
  Kernels timed_;
  std::vector<ListedLayer> layers_;
  LayerKeys keys_;
  std::vector<Stopwatch> stopwatches_;  // one for each thread
  Runner runner_;
  std::uint64_t fastest_ = 0;
  std::vector<std::uint64_t> taken_;  // by each layer, in the fastest run
};

}  // namespace miniseg
