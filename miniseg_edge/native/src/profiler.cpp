#include "profiler.h"

namespace miniseg {

Profiler::Profiler(const Network& network, const Kernels& kernels, int threads, int height, int width,
                   std::uint64_t max_memory)
    : kernels_(kernels),
      timed_(timed(kernels)),
      layers_(listed_layers(network, Sizes(height, width))),
      stopwatches_(static_cast<std::size_t>(threads), Stopwatch(kernels_, keys_, layers_.size())),
      runner_(network, timed_, threads, height, width, max_memory, &stopwatches_) {
  int step = kStages - 2;
  for (std::size_t at = 0; at < layers_.size(); ++at) {
    const ListedLayer& layer = layers_[at];
    if (layer.weights != nullptr) keys_[layer.weights] = at;
    if (layer.kind == kPrepare) keys_[kPrepareKey] = at;
    if (layer.kind == kMask) keys_[kMaskKey] = at;
    if (layer.kind == kUpsample) {
      for (int thread = 0; thread < threads; ++thread) keys_[runner_.upsampling(thread, step)] = at;
      --step;
    }
  }
}

std::uint64_t Profiler::run(const miniseg_slice& slice, const miniseg_output& output, int runs) {
  runner_.expect();
  runner_.run(slice, output);
  fastest_ = ~std::uint64_t{0};
  for (int i = 0; i < runs; ++i) {
    for (Stopwatch& stopwatch : stopwatches_) stopwatch.clear();
    const std::uint64_t begin = now_in_nanoseconds();
    runner_.run(slice, output);
    const std::uint64_t taken = now_in_nanoseconds() - begin;
    if (taken >= fastest_) continue;
    fastest_ = taken;
    taken_.assign(layers_.size(), 0);
    for (const Stopwatch& stopwatch : stopwatches_) {
      for (std::size_t at = 0; at < layers_.size(); ++at) taken_[at] += stopwatch.nanoseconds()[at];
    }
  }
  Stopwatch::stop();  // the caller's thread lives on
  return fastest_;
}

std::vector<LayerTime> Profiler::layers() const {
  std::vector<LayerTime> found;
  std::uint64_t rest = fastest_ * stopwatches_.size();
  for (std::size_t at = 0; at < layers_.size(); ++at) {
    found.push_back({layers_[at], taken_[at]});
    rest -= taken_[at];
  }
  found.push_back({{"between layers", "wait", 0, nullptr}, rest});
  return found;
}

}  // namespace miniseg
