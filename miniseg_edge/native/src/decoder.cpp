#include "decoder.h"

#include <cstring>

namespace miniseg {
namespace {

constexpr int kMostRows = 4;  // of a call of `fusion`
constexpr int kUpsampledRows = kMostRows + 4;
constexpr int kLogitRows = kMostRows + 2;

int smaller(int a, int b) { return a < b ? a : b; }

float* place_scratch(Arena& arena, int width) {
  const auto floats = static_cast<std::uint64_t>(plain_format(1, width).padded + 3 * kHalo);
  float* block = arena.floats(floats);
  return block == nullptr ? nullptr : block + kHalo;
}

void upsample_row(const Kernels& kernels, const Rows& from, const ColumnWeights& columns, float* scratch, const Rows& to,
                  int y, int slot) {
  const Between rows = between(y, from.height(), to.height());
  const Format& in = from.format();
  const Format& out = to.format();
  kernels.upsample({{from.at(rows.first), from.at(rows.second)}, {rows.weights[0], rows.weights[1]}, in.stride,
                    in.channels, columns, scratch, to.at(slot), out.stride, out.padded});
}

}  // namespace

void UpsampledRows::place(Arena& arena, int channels, int height, int width) {
  step_ = kMostRows;
  rows_.place(arena, plain_format(channels, width), height, kUpsampledRows);
  const int before = (width + 1) / 2;
  columns_.place(arena, before, width);
  scratch_ = place_scratch(arena, before);
}

void UpsampledRows::make(int begin, int end) {
  for (int y = begin; y < end; ++y) {
    upsample_row(kernels_, reduced_, columns_.weights(), scratch_, rows_, y, y);
    rows_.seal(y);
  }
}

void StepRows::place(Arena& arena, int height, int width) {
  step_ = kMostRows;
  rows_.place(arena, plain_format(step_layers_.channels, width), height, kMostRows);
  upsampled_.place(arena, step_layers_.channels, height, width);
}

void StepRows::forget_all() {
  forget();
  upsampled_.forget();
}

void StepRows::make(int begin, int end) {
  upsampled_.need(end + 2);
  depthwise(kernels_, {step_layers_.fusion, step_layers_.channels, 1, upsampled_.rows(), 0}, {&rows_, &skip_}, begin, end);
}

Decoder::Decoder(const Kernels& kernels, const Network& network, const Maps& maps)
    : kernels_(kernels),
      network_(network),
      maps_(maps),
      steps_{{kernels, network.steps[0], maps.skip(0), maps.reduced[0]},
             {kernels, network.steps[1], maps.skip(1), maps.reduced[1]},
             {kernels, network.steps[2], maps.skip(2), maps.reduced[2]}} {}

void Decoder::place(Arena& arena, const Sizes& sizes) {
  for (int i = 0; i < kStages - 1; ++i) steps_[i].place(arena, sizes.heights[i + 1], sizes.widths[i + 1]);
  const int maps = network_.head.outputs;
  logits_.place(arena, plain_format(maps, sizes.widths[1]), sizes.heights[1], kLogitRows);
  columns_.place(arena, sizes.widths[1], sizes.widths[0]);
  pixels_.place(arena, plain_format(maps, sizes.widths[0]), sizes.heights[0], 1);
  scratch_ = place_scratch(arena, sizes.widths[1]);
}

void Decoder::fill() const {
  for (const StepRows& step : steps_) step.fill();
  columns_.fill();
}

void Decoder::begin(const miniseg_output& output) {
  output_ = output;
  step_ = -1;
}

// A band that follows the previous one continues where that ended.
void Decoder::begin_band(int step, int row, Band band) {
  if (step_ == step && band.begin == made_) return;
  steps_[step].forget_all();
  steps_[step].begin_at(row);
  logits_made_ = row > 0 ? row : 0;
  step_ = step;
}

void Decoder::make(int step, Band band) {
  begin_band(step, band.begin, band);
  for (int begin = band.begin; begin < band.end; begin += kMostRows) {
    const int end = smaller(begin + kMostRows, band.end);
    steps_[step].need(end);
    for (int y = begin; y < end; ++y) {
      pointwise(kernels_, network_.steps[step - 1].reduce, nullptr, {steps_[step].rows(), y}, {maps_.reduced[step - 1], y});
    }
  }
  made_ = band.end;
}

void Decoder::make_logits(int end) {
  end = smaller(end, logits_.height());
  while (logits_made_ < end) {
    const int stop = smaller(logits_made_ + kMostRows, end);
    steps_[0].need(stop);
    for (int y = logits_made_; y < stop; ++y) pointwise(kernels_, network_.head, nullptr, {steps_[0].rows(), y}, {logits_, y});
    logits_made_ = stop;
  }
}

void Decoder::finish(Band band) {
  begin_band(0, band.begin - 1, band);
  for (int begin = band.begin; begin < band.end; begin += kMostRows) {
    const int end = smaller(begin + kMostRows, band.end);
    make_logits(end + 1);
    for (int y = 2 * begin; y < smaller(2 * end, pixels_.height()); ++y) put_pixels(y);
  }
  made_ = band.end;
}

void Decoder::put_pixels(int y) {
  upsample_row(kernels_, logits_, columns_.weights(), scratch_, pixels_, y, 0);
  const Format& format = pixels_.format();
  char* to = static_cast<char*>(output_.pixels) + y * output_.row_stride;
  if (output_.result == MINISEG_MASK) {
    kernels_.mask({pixels_.at(0), format.stride, format.channels, reinterpret_cast<std::uint8_t*>(to), format.width});
    return;
  }
  for (int map = 0; map < format.channels; ++map) {
    std::memcpy(to + map * output_.channel_stride, pixels_.at(0) + map * format.stride,
                static_cast<std::size_t>(format.width) * sizeof(float));
  }
}

}  // namespace miniseg
