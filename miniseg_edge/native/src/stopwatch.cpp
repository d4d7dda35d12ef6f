#include "stopwatch.h"

#include <chrono>

namespace miniseg {
namespace {

constexpr char kPlaces[2] = {};

// Only while the thread runs for a profile: it is set as the run begins, and timed kernels are called nowhere else.
thread_local Stopwatch* stopwatch = nullptr;

const void* key_of(const PointwiseRow& row) { return row.weights.values; }
const void* key_of(const DenseRow& row) { return row.weights.values; }
const void* key_of(const DepthwiseRows& rows) { return rows.weights; }
const void* key_of(const PyramidRow& row) { return row.taps; }
const void* key_of(const UpsampledRow& row) { return row.scratch; }
const void* key_of(const PreparedRow&) { return kPrepareKey; }
const void* key_of(const MaskRow&) { return kMaskKey; }

template <auto kKernel, typename Row>
void timed_kernel(const Row& row) {
  Stopwatch& own = *stopwatch;
  const std::uint64_t begin = now_in_nanoseconds();
  (own.kernels().*kKernel)(row);
  own.add(key_of(row), now_in_nanoseconds() - begin);
}

}  // namespace

const void* const kPrepareKey = &kPlaces[0];
const void* const kMaskKey = &kPlaces[1];

void Stopwatch::start() { stopwatch = this; }

void Stopwatch::stop() { stopwatch = nullptr; }

std::uint64_t now_in_nanoseconds() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

Kernels timed(const Kernels& kernels) {
  Kernels found = kernels;  // what is not named here is not timed
  found.pointwise = timed_kernel<&Kernels::pointwise>;
  found.dense3 = timed_kernel<&Kernels::dense3>;
  found.dense3_stride2 = timed_kernel<&Kernels::dense3_stride2>;
  found.dense5_stride2 = timed_kernel<&Kernels::dense5_stride2>;
  found.depthwise = timed_kernel<&Kernels::depthwise>;
  found.depthwise_stride2 = timed_kernel<&Kernels::depthwise_stride2>;
  found.fusion = timed_kernel<&Kernels::fusion>;
  found.pyramid = timed_kernel<&Kernels::pyramid>;
  found.pyramid_stride2 = timed_kernel<&Kernels::pyramid_stride2>;
  found.upsample = timed_kernel<&Kernels::upsample>;
  found.prepare = timed_kernel<&Kernels::prepare>;
  found.mask = timed_kernel<&Kernels::mask>;
  return found;
}

}  // namespace miniseg
