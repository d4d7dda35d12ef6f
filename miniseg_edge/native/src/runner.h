// A network's run on one slice, by a team of threads, in memory that was taken beforehand.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "bands.h"
#include "decoder.h"
#include "first_stage.h"
#include "pyramid_stage.h"
#include "stopwatch.h"
#include "team.h"

namespace miniseg {

class Runner {
 public:
  // For slices of up to this size. Refuses (MINISEG_MEMORY, MINISEG_THREADS). Each thread starts its stopwatch, if there
  // are some.
  Runner(const Network& network, const Kernels& kernels, int threads, int max_height, int max_width,
         std::uint64_t max_memory, std::vector<Stopwatch>* stopwatches = nullptr);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Bytes that such a runner takes.
  static std::uint64_t memory(const Network& network, const Kernels& kernels, int threads, int height, int width);

  bool forked() const { return team_->forked(); }

  // Before a run that `cancel` may end.
  void expect() { cancelled_.store(false, std::memory_order_relaxed); }

  // False: cancelled since `expect`. The arguments have been checked.
  bool run(const miniseg_slice& slice, const miniseg_output& output);

  // What tells a thread's upsampling of a decoder's step from the others (Decoder::upsampling).
  const void* upsampling(int thread, int step) const {
    return workers_[static_cast<std::size_t>(thread)]->decoder.upsampling(step);
  }

  // From any thread.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  // What belongs to one thread.
  struct Worker {
    Worker(const Kernels& kernels, const Network& network, const Maps& maps)
        : first(kernels, network, maps), decoder(kernels, network, maps) {}
    FirstStagePipeline first;
    Decoder decoder;
    float* pyramid = nullptr;
    Rows top;
  };

  Runner(const Network& network, const Kernels& kernels, int threads);
  std::uint64_t place(char* block, int height, int width);
  void lay_out(int height, int width);
  void work(int thread);
  template <typename Make>
  bool phase(int thread, int& phase, int grain, const Make& make);
  int phases() const;
  int rows_of(int phase) const;
  int grain(int rows, int most) const;

  const Network& network_;
  int threads_;
  Maps maps_;
  std::vector<PyramidStage> stages_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Bands> bands_;
  char* memory_ = nullptr;
  std::uint64_t bytes_ = 0;
  Sizes sizes_{0, 0};
  std::atomic<bool> cancelled_{false};
  bool stopped_ = false;
  std::vector<Stopwatch>* stopwatches_ = nullptr;
  std::unique_ptr<Team> team_;
};

}  // namespace miniseg
