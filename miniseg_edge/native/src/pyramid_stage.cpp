#include "pyramid_stage.h"

namespace miniseg {

void PyramidStage::make(int block, Band band, const Scratch& scratch) const {
  add_long(block, band);
  for (int y = band.begin; y < band.end; ++y) add_main(block, y, scratch.pyramid);
  for (int y = band.begin; y < band.end; ++y) {
    if (block + 1 < blocks()) {
      enter(block + 1, y);
    } else {
      leave(y, scratch.top);
    }
  }
}

// long += v and sum += v; in the first block, long = v. The first stage's pipeline has done the latter for the second.
void PyramidStage::add_long(int block, Band band) const {
  const PyramidBlock& layer = stage().blocks[static_cast<std::size_t>(block)];
  const Rows* longs = &maps().longs;
  const int channels = stage().channels;
  if (block == 0) {
    if (index_ == 0) return;
    depthwise(kernels_, {layer.tail, channels, 2, maps_.exits[index_ - 1], 0}, {longs}, band.begin, band.end);
  } else if (layer.has_long) {
    const Rows* sum = &maps().sum;
    depthwise(kernels_, {layer.tail, channels, 1, maps().entries[block % 2], 0}, {longs, nullptr, longs, sum, sum},
              band.begin, band.end);
  }
}

// sum += v; in the first block, sum = long + v. In the last, the sum less the long path: the stage's out.
void PyramidStage::add_main(int block, int y, float* scratch) const {
  const Rows& sum = maps().sum;
  float* row = sum.at(y);
  const float* longs = maps().longs.at(y);
  const bool last = block + 1 == blocks();
  const float* base = block > 0 ? row : (last ? nullptr : longs);
  const Residual to{row, base, block > 0 && last ? longs : nullptr, sum.format().stride};
  const bool halves = block == 0;
  const Rows& input = !halves ? maps().entries[block % 2] : (index_ == 0 ? maps_.first_down : maps_.exits[index_ - 1]);
  const int channel = halves && index_ == 0 ? 0 : stage().channels;
  const PyramidBlock& layer = stage().blocks[static_cast<std::size_t>(block)];
  pyramid(kernels_, {layer.pyramid, stage().narrow(), halves ? 2 : 1, input, channel, scratch}, to,
          sum.format().padded, y);
}

void PyramidStage::enter(int block, int y) const {
  const PyramidBlock& layer = stage().blocks[static_cast<std::size_t>(block)];
  const Rows& entry = maps().entries[block % 2];
  const int channel = layer.has_long ? 0 : stage().channels;
  pointwise(kernels_, layer.entry, nullptr, {maps().sum, y}, {entry, y, channel});
  entry.seal(y, channel, layer.entry.outputs);
}

// To the next stage and to the decoder.
void PyramidStage::leave(int y, const Rows* top) const {
  const Rows& out = maps().sum;
  if (index_ == kStages - 2) {
    pointwise(kernels_, network_.top.weights, network_.top.slopes, {out, y}, {*top, 0});
    pointwise(kernels_, network_.steps[index_].reduce, nullptr, {*top, 0}, {maps_.reduced[index_], y});
    return;
  }
  const Rows& exit = maps_.exits[index_];
  pointwise(kernels_, network_.stages[index_ + 1].blocks[0].entry, {maps().longs, y}, {out, y}, {exit, y});
  exit.seal(y);
  pointwise(kernels_, network_.steps[index_ + 1].skip, nullptr, {out, y}, {maps().longs, y});
}

}  // namespace miniseg
