#include "runner.h"

#include <cstring>
#include <string>

#include "refusal.h"

namespace miniseg {
namespace {

// Rows that a thread takes at a time. In pipelines, more than elsewhere: who takes rows far from its last ones makes
// some above them once more.
constexpr int kPipelineGrain = 8;
constexpr int kGrain = 4;

int widest_narrow(const Network& network) {
  int most = 0;
  for (const Stage& stage : network.stages) most = stage.narrow() > most ? stage.narrow() : most;
  return most;
}

}  // namespace

Runner::Runner(const Network& network, const Kernels& kernels, int threads)
    : network_(network), threads_(threads) {
  for (int index = 0; index < kStages - 1; ++index) stages_.emplace_back(kernels, network, maps_, index);
  for (int t = 0; t < threads; ++t) workers_.push_back(std::make_unique<Worker>(kernels, network, maps_));
  bands_ = std::vector<Bands>(static_cast<std::size_t>(phases()));
}

Runner::Runner(const Network& network, const Kernels& kernels, int threads, int max_height, int max_width,
               std::uint64_t max_memory, std::vector<Stopwatch>* stopwatches)
    : Runner(network, kernels, threads) {
  stopwatches_ = stopwatches;
  bytes_ = place(nullptr, max_height, max_width);
  if (max_memory != 0 && bytes_ > max_memory) {
    throw Refusal(MINISEG_MEMORY, "slices of this size take " + std::to_string(bytes_) + " bytes, and " +
                                      std::to_string(max_memory) + " are allowed");
  }
  memory_ = static_cast<char*>(take_pages(bytes_));
  if (memory_ == nullptr) {
    throw Refusal(MINISEG_MEMORY, "the host does not give the " + std::to_string(bytes_) + " bytes that this takes");
  }
  try {
    lay_out(max_height, max_width);
    team_ = std::make_unique<Team>(threads, [this](int thread) { work(thread); });
  } catch (...) {
    give_pages_back(memory_, bytes_);
    throw;
  }
}

Runner::~Runner() {
  team_.reset();
  Arena::open(memory_, bytes_);
  give_pages_back(memory_, bytes_);
}

std::uint64_t Runner::memory(const Network& network, const Kernels& kernels, int threads, int height, int width) {
  return Runner(network, kernels, threads).place(nullptr, height, width);
}

// Without a block, nothing but the sum of all sizes comes of it. Larger slices never take less.
std::uint64_t Runner::place(char* block, int height, int width) {
  const Sizes sizes(height, width);
  Arena arena(block);
  maps_.place(arena, network_, sizes);
  for (const auto& worker : workers_) {
    worker->first.place(arena, sizes);
    worker->decoder.place(arena, sizes);
    worker->pyramid = arena.floats(pyramid_scratch(widest_narrow(network_)));
    worker->top.place(arena, plain_format(network_.header.widths[kStages - 1], sizes.widths[kStages]), 1);
  }
  sizes_ = sizes;
  return arena.used();
}

void Runner::lay_out(int height, int width) {
  const std::uint64_t used = place(nullptr, height, width);
  Arena::open(memory_, used);
  std::memset(memory_, 0, static_cast<std::size_t>(used));
  place(memory_, height, width);
  for (const auto& worker : workers_) worker->decoder.fill();
}

bool Runner::run(const miniseg_slice& slice, const miniseg_output& output) {
  const FloatEnvironment environment;
  const int height = static_cast<int>(slice.height);
  const int width = static_cast<int>(slice.width);
  if (height != sizes_.heights[0] || width != sizes_.widths[0]) lay_out(height, width);
  stopped_ = false;
  for (const auto& worker : workers_) {
    worker->first.begin(slice);
    worker->decoder.begin(output);
  }
  for (int i = 0; i < phases(); ++i) bands_[static_cast<std::size_t>(i)].reset(rows_of(i), threads_);
  team_->run();
  return !stopped_;
}

int Runner::phases() const {
  int count = 1 + kStages - 1;
  for (const PyramidStage& stage : stages_) count += stage.blocks();
  return count;
}

// Rows that a phase shares among threads: the first stage's pipeline ends in the second stage's first rows, and a block
// or a step has the rows of its stage.
int Runner::rows_of(int phase) const {
  if (phase == 0) return sizes_.heights[2];
  --phase;
  for (int index = 0; index < kStages - 1; ++index) {
    if (phase < stages_[static_cast<std::size_t>(index)].blocks()) return sizes_.heights[index + 2];
    phase -= stages_[static_cast<std::size_t>(index)].blocks();
  }
  return sizes_.heights[kStages - 1 - phase];
}

int Runner::grain(int rows, int most) const {
  const int fair = rows / (2 * threads_);
  return fair < 1 ? 1 : (fair < most ? fair : most);
}

// One phase's rows; false if the run is cancelled. All threads leave a phase together.
template <typename Make>
bool Runner::phase(int thread, int& phase, int most, const Make& make) {
  const int rows_at_a_time = grain(rows_of(phase), most);
  Bands& bands = bands_[static_cast<std::size_t>(phase)];
  for (Band band = bands.take(thread, rows_at_a_time); !band.empty(); band = bands.take(thread, rows_at_a_time)) {
    make(band);
  }
  ++phase;
  team_->meet([this] { stopped_ = cancelled_.load(std::memory_order_relaxed); });
  return !stopped_;
}

void Runner::work(int thread) {
  Worker& worker = *workers_[static_cast<std::size_t>(thread)];
  if (stopwatches_ != nullptr) (*stopwatches_)[static_cast<std::size_t>(thread)].start();
  int at = 0;
  if (!phase(thread, at, kPipelineGrain, [&](Band band) { worker.first.make(band); })) return;
  for (const PyramidStage& stage : stages_) {
    for (int block = 0; block < stage.blocks(); ++block) {
      const auto make = [&](Band band) { stage.make(block, band, {worker.pyramid, &worker.top}); };
      if (!phase(thread, at, kGrain, make)) return;
    }
  }
  for (int step = kStages - 2; step > 0; --step) {
    if (!phase(thread, at, kPipelineGrain, [&](Band band) { worker.decoder.make(step, band); })) return;
  }
  phase(thread, at, kPipelineGrain, [&](Band band) { worker.decoder.finish(band); });
}

}  // namespace miniseg
