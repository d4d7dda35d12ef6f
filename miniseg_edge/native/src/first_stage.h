// The first stage as a pipeline of rows: from pixels to the long path and the entries of the second stage. Its maps are
// the largest of all, so none of them is ever whole: a thread keeps the few rows that its next ones read.
#pragma once

#include <memory>
#include <vector>

#include "bands.h"
#include "layers.h"
#include "maps.h"
#include "miniseg.h"
#include "stream.h"

namespace miniseg {

// A map and the stream that makes it.
struct Source {
  Stream* stream = nullptr;
  const Rows* rows = nullptr;
};

// The slice, normalised.
class SliceRows : public Stream {
 public:
  SliceRows(const Kernels& kernels, const PlanHeader& header) : kernels_(kernels), header_(header) {}
  void place(Arena& arena, const Sizes& sizes);
  void read(const miniseg_slice& slice) { slice_ = slice; }
  int height() const override { return rows_.height(); }
  Source source() { return {this, &rows_}; }

 private:
  void begin_inputs_at(int) override {}
  void make(int begin, int end) override;

  const Kernels& kernels_;
  const PlanHeader& header_;
  miniseg_slice slice_{};
  Rows rows_;
};

// The two first layers, of stride 2: the long path, and its sum with the main one.
class FirstRows : public Stream {
 public:
  FirstRows(const Kernels& kernels, const FirstStage& layers, Source slice)
      : kernels_(kernels), layers_(layers), slice_(slice) {}
  void place(Arena& arena, const Sizes& sizes);
  int height() const override { return sum_.height(); }
  Source sum() { return {this, &sum_}; }
  Source longs() { return {this, &longs_}; }

 private:
  void begin_inputs_at(int row) override { slice_.stream->begin_at(2 * row - 2); }
  void make(int begin, int end) override;

  const Kernels& kernels_;
  const FirstStage& layers_;
  Source slice_;
  Rows longs_, sum_;
};

// The 1x1 convolution of a long block.
class EntryRows : public Stream {
 public:
  EntryRows(const Kernels& kernels, const Blocks& weights, Source sum) : kernels_(kernels), weights_(weights), sum_(sum) {}
  void place(Arena& arena, const Sizes& sizes);
  int height() const override { return rows_.height(); }
  Source source() { return {this, &rows_}; }

 private:
  void begin_inputs_at(int row) override { sum_.stream->begin_at(row); }
  void make(int begin, int end) override;

  const Kernels& kernels_;
  const Blocks& weights_;
  Source sum_;
  Rows rows_;
};

// The rest of a long block: added to the long path, and to the sum.
class LongRows : public Stream {
 public:
  LongRows(const Kernels& kernels, const Depthwise& weights, Source entry, Source sum, Source longs)
      : kernels_(kernels), weights_(weights), entry_(entry), sum_(sum), before_(longs) {}
  void place(Arena& arena, const Sizes& sizes, int channels, int depth);
  int height() const override { return total_.height(); }
  Source total() { return {this, &total_}; }
  Source longs() { return {this, &longs_}; }

 private:
  void begin_inputs_at(int row) override { entry_.stream->begin_at(row - 2); }
  void make(int begin, int end) override;

  const Kernels& kernels_;
  const Depthwise& weights_;
  Source entry_, sum_, before_;
  Rows total_, longs_;
};

// A conv block, added to the sum; the last one less the long path, which gives the stage's out.
class ConvRows : public Stream {
 public:
  ConvRows(const Kernels& kernels, const Dense& weights, Source sum, Source base, const Rows* minus)
      : kernels_(kernels), weights_(weights), sum_(sum), base_(base), minus_(minus) {}
  void place(Arena& arena, const Sizes& sizes, int channels);
  int height() const override { return rows_.height(); }
  Source source() { return {this, &rows_}; }

 private:
  void begin_inputs_at(int row) override;
  void make(int begin, int end) override;

  const Kernels& kernels_;
  const Dense& weights_;
  Source sum_, base_;
  const Rows* minus_;
  Rows rows_;
};

// What the second stage's first long block reads, split.
class ExitRows : public Stream {
 public:
  ExitRows(const Kernels& kernels, const Blocks& weights, Source longs, Source out)
      : kernels_(kernels), weights_(weights), longs_(longs), out_(out) {}
  void place(Arena& arena, const Sizes& sizes);
  int height() const override { return rows_.height(); }
  const Rows& rows() const { return rows_; }

 private:
  void begin_inputs_at(int row) override { out_.stream->begin_at(row); }
  void make(int begin, int end) override;

  const Kernels& kernels_;
  const Blocks& weights_;
  Source longs_, out_;
  Rows rows_;
};

// A thread's pipeline.
class FirstStagePipeline {
 public:
  FirstStagePipeline(const Kernels& kernels, const Network& network, const Maps& maps);
  void place(Arena& arena, const Sizes& sizes);
  void begin(const miniseg_slice& slice);

  // Rows of the second stage, and all that is theirs of the first.
  void make(Band band);

 private:
  void forget();
  void finish(int begin, int end);

  const Kernels& kernels_;
  const Network& network_;
  const Maps& maps_;
  SliceRows slice_;
  FirstRows first_;
  std::vector<std::unique_ptr<EntryRows>> entries_;
  std::vector<std::unique_ptr<LongRows>> longs_;
  std::vector<std::unique_ptr<ConvRows>> convs_;
  Source long_, out_;
  std::unique_ptr<ExitRows> exit_;
  int made_ = -1;
};

}  // namespace miniseg
