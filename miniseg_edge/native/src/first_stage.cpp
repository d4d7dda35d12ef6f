#include "first_stage.h"

namespace miniseg {
namespace {

// Rows that a stream makes at a time, and rows of the second stage at a time. More would share more loads, and need
// longer rings, which then do not fit into the second-level cache.
constexpr int kStep = 4;
constexpr int kFinishStep = 2;

// Rows of rings: those of a step, and those that are ahead of it or behind it because of kernels in between.
constexpr int kSliceRows = 2 * kStep + 3;
constexpr int kSumRows = kStep + 3;
constexpr int kEntryRows = kStep + 4;
constexpr int kOutRows = 2 * kFinishStep + 1 + kStep;
constexpr int kExitRows = 2 * kFinishStep + 3;
constexpr int long_rows(int depth) { return kOutRows + kStep + depth + 2; }

int smaller(int a, int b) { return a < b ? a : b; }

}  // namespace

void SliceRows::place(Arena& arena, const Sizes& sizes) {
  rows_.place(arena, split_format(header_.channels, sizes.widths[0]), sizes.heights[0], kSliceRows);
}

void SliceRows::make(int begin, int end) {
  const Format& format = rows_.format();
  for (int y = begin; y < end; ++y) {
    for (int c = 0; c < format.channels; ++c) {
      const char* pixels = static_cast<const char*>(slice_.pixels) + c * slice_.channel_stride + y * slice_.row_stride;
      kernels_.prepare({pixels, static_cast<std::ptrdiff_t>(slice_.pixel_stride), static_cast<int>(slice_.type),
                        header_.low, header_.high, header_.factor, header_.offset, rows_.at(y) + c * format.stride,
                        format.odd, format.width});
    }
    rows_.seal(y);
  }
}

void FirstRows::place(Arena& arena, const Sizes& sizes) {
  step_ = kStep;
  const Format format = plain_format(layers_.long_conv.weights.outputs, sizes.widths[1]);
  const int depth = static_cast<int>(layers_.blocks.size());
  longs_.place(arena, format, sizes.heights[1], long_rows(depth));
  sum_.place(arena, format, sizes.heights[1], depth == 0 ? kOutRows : kSumRows);
}

void FirstRows::make(int begin, int end) {
  const Format& in = slice_.rows->format();
  const Format& out = sum_.format();
  slice_.stream->need(2 * (end - 1) + 3);
  for (int y = begin; y < end; ++y) {
    const float* rows[5];
    for (int r = 0; r < 5; ++r) rows[r] = slice_.rows->read(2 * y - 2 + r);
    kernels_.dense5_stride2({rows, in.channels, in.stride, in.odd, layers_.long_conv.weights, layers_.long_conv.slopes,
                             {longs_.at(y), nullptr, nullptr, out.stride}, out.padded});
    const float* base = layers_.blocks.empty() ? nullptr : longs_.at(y);  // without blocks, this is the stage's out
    kernels_.dense3_stride2({rows + 1, in.channels, in.stride, in.odd, layers_.down_conv.weights,
                             layers_.down_conv.slopes, {sum_.at(y), base, nullptr, out.stride}, out.padded});
    sum_.seal(y);
  }
}

void EntryRows::place(Arena& arena, const Sizes& sizes) {
  step_ = kStep;
  rows_.place(arena, plain_format(weights_.outputs, sizes.widths[1]), sizes.heights[1], kEntryRows);
}

void EntryRows::make(int begin, int end) {
  sum_.stream->need(end);
  for (int y = begin; y < end; ++y) {
    pointwise(kernels_, weights_, nullptr, {*sum_.rows, y}, {rows_, y});
    rows_.seal(y);
  }
}

void LongRows::place(Arena& arena, const Sizes& sizes, int channels, int depth) {
  step_ = kStep;
  const Format format = plain_format(channels, sizes.widths[1]);
  total_.place(arena, format, sizes.heights[1], kStep);
  longs_.place(arena, format, sizes.heights[1], long_rows(depth));
}

void LongRows::make(int begin, int end) {
  entry_.stream->need(end + 2);
  depthwise(kernels_, {weights_, total_.format().channels, 1, *entry_.rows, 0},
            {&longs_, nullptr, before_.rows, &total_, sum_.rows}, begin, end);
}

void ConvRows::place(Arena& arena, const Sizes& sizes, int channels) {
  step_ = kStep;
  rows_.place(arena, plain_format(channels, sizes.widths[1]), sizes.heights[1], minus_ != nullptr ? kOutRows : kSumRows);
}

void ConvRows::begin_inputs_at(int row) {
  sum_.stream->begin_at(row - 1);
  base_.stream->begin_at(row);
}

void ConvRows::make(int begin, int end) {
  if (base_.stream != sum_.stream) base_.stream->need(end);
  sum_.stream->need(end + 1);
  const Format& format = rows_.format();
  for (int y = begin; y < end; ++y) {
    const float* rows[3];
    for (int r = 0; r < 3; ++r) rows[r] = sum_.rows->read(y - 1 + r);
    const float* minus = minus_ != nullptr ? minus_->at(y) : nullptr;
    kernels_.dense3({rows, format.channels, format.stride, 0, weights_.weights, weights_.slopes,
                     {rows_.at(y), base_.rows->at(y), minus, format.stride}, format.padded});
    rows_.seal(y);
  }
}

void ExitRows::place(Arena& arena, const Sizes& sizes) {
  step_ = kStep;
  rows_.place(arena, split_format(weights_.outputs, sizes.widths[1]), sizes.heights[1], kExitRows);
}

void ExitRows::make(int begin, int end) {
  out_.stream->need(end);
  for (int y = begin; y < end; ++y) {
    pointwise(kernels_, weights_, {*longs_.rows, y}, {*out_.rows, y}, {rows_, y});
    rows_.seal(y);
  }
}

FirstStagePipeline::FirstStagePipeline(const Kernels& kernels, const Network& network, const Maps& maps)
    : kernels_(kernels),
      network_(network),
      maps_(maps),
      slice_(kernels, network.header),
      first_(kernels, network.first, slice_.source()),
      long_(first_.longs()),
      out_(first_.sum()) {
  const std::vector<ConvBlock>& blocks = network.first.blocks;
  for (const ConvBlock& block : blocks) {
    Source base = out_;
    if (block.has_long) {
      entries_.push_back(std::make_unique<EntryRows>(kernels, block.entry, out_));
      longs_.push_back(std::make_unique<LongRows>(kernels, block.tail, entries_.back()->source(), out_, long_));
      base = longs_.back()->total();
      long_ = longs_.back()->longs();
    }
    const bool last = &block == &blocks.back();
    convs_.push_back(std::make_unique<ConvRows>(kernels, block.conv, out_, base, last ? long_.rows : nullptr));
    out_ = convs_.back()->source();
  }
  exit_ = std::make_unique<ExitRows>(kernels, network.first.long_exit, long_, out_);
}

void FirstStagePipeline::place(Arena& arena, const Sizes& sizes) {
  const int channels = network_.header.widths[0];
  const int depth = static_cast<int>(network_.first.blocks.size());
  slice_.place(arena, sizes);
  first_.place(arena, sizes);
  for (const auto& entry : entries_) entry->place(arena, sizes);
  for (const auto& longs : longs_) longs->place(arena, sizes, channels, depth);
  for (const auto& conv : convs_) conv->place(arena, sizes, channels);
  exit_->place(arena, sizes);
}

void FirstStagePipeline::begin(const miniseg_slice& slice) {
  slice_.read(slice);
  made_ = -1;
}

void FirstStagePipeline::forget() {
  slice_.forget();
  first_.forget();
  for (const auto& entry : entries_) entry->forget();
  for (const auto& longs : longs_) longs->forget();
  for (const auto& conv : convs_) conv->forget();
  exit_->forget();
}

void FirstStagePipeline::make(Band band) {
  if (band.begin != made_) {
    forget();
    exit_->begin_at(2 * band.begin - 2);
  }
  for (int y = band.begin; y < band.end; y += kFinishStep) finish(y, smaller(y + kFinishStep, band.end));
  made_ = band.end;
}

void FirstStagePipeline::finish(int begin, int end) {
  exit_->need(2 * (end - 1) + 3);
  const Stage& next = network_.stages[0];
  depthwise(kernels_, {next.blocks[0].tail, next.channels, 2, exit_->rows(), 0}, {&maps_.stages[0].longs}, begin, end);
  for (int y = 2 * begin; y < smaller(2 * end, exit_->height()); ++y) {
    pointwise(kernels_, network_.first.down_exit, {*long_.rows, y}, {*out_.rows, y}, {maps_.first_down, y});
    maps_.first_down.seal(y);
    pointwise(kernels_, network_.steps[0].skip, nullptr, {*out_.rows, y}, {maps_.first_skip, y});
  }
}

}  // namespace miniseg
