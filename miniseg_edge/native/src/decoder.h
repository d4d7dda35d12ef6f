// The decoder: steps of stages 3, 2 and 1, and the head. A thread's step is a short pipeline of rows: the coarser map
// upsampled, fused with what the encoder left, and reduced for the next step.
#pragma once

#include "bands.h"
#include "bilinear.h"
#include "layers.h"
#include "maps.h"
#include "miniseg.h"
#include "stream.h"

namespace miniseg {

// The reduced map of a step, upsampled.
class UpsampledRows : public Stream {
 public:
  UpsampledRows(const Kernels& kernels, const Rows& reduced) : kernels_(kernels), reduced_(reduced) {}
  void place(Arena& arena, int channels, int height, int width);
  void fill() const { columns_.fill(); }
  int height() const override { return rows_.height(); }
  const Rows& rows() const { return rows_; }
  const float* scratch() const { return scratch_; }

 private:
  void begin_inputs_at(int) override {}
  void make(int begin, int end) override;

  const Kernels& kernels_;
  const Rows& reduced_;
  ColumnTables columns_;
  float* scratch_ = nullptr;
  Rows rows_;
};

// The fused rows of a step.
class StepRows : public Stream {
 public:
  StepRows(const Kernels& kernels, const DecoderStep& step, const Rows& skip, const Rows& reduced)
      : kernels_(kernels), step_layers_(step), skip_(skip), upsampled_(kernels, reduced) {}
  void place(Arena& arena, int height, int width);
  void fill() const { upsampled_.fill(); }
  int height() const override { return rows_.height(); }
  const Rows& rows() const { return rows_; }
  void forget_all();
  const float* upsampling() const { return upsampled_.scratch(); }

 private:
  void begin_inputs_at(int row) override { upsampled_.begin_at(row - 2); }
  void make(int begin, int end) override;

  const Kernels& kernels_;
  const DecoderStep& step_layers_;
  const Rows& skip_;
  UpsampledRows upsampled_;
  Rows rows_;
};

// A thread's decoder.
class Decoder {
 public:
  Decoder(const Kernels& kernels, const Network& network, const Maps& maps);
  void place(Arena& arena, const Sizes& sizes);
  void fill() const;
  void begin(const miniseg_output& output);

  // The scratch memory that a step's upsampling is called with, and no other; -1: that of the pixels.
  const float* upsampling(int step) const { return step < 0 ? scratch_ : steps_[step].upsampling(); }

  // Rows of a step (2 and 1: of stages 3 and 2), and what the next step reads of them.
  void make(int step, Band band);

  // Rows of the last step, and their pixels of the output.
  void finish(Band band);

 private:
  void begin_band(int step, int row, Band band);
  void make_logits(int end);
  void put_pixels(int y);

  const Kernels& kernels_;
  const Network& network_;
  const Maps& maps_;
  StepRows steps_[kStages - 1];
  Rows logits_;  // of the head, at the first stage's size
  int logits_made_ = 0;
  ColumnTables columns_;
  Rows pixels_;
  float* scratch_ = nullptr;
  miniseg_output output_{};
  int made_ = -1;
  int step_ = -1;
};

}  // namespace miniseg
