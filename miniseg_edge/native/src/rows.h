// Maps in memory: all rows of one, or a ring of the last few.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arena.h"
#include "kernels.h"

namespace miniseg {

// How a row is stored; kernels.h says what the words mean.
struct Format {
  int channels;
  int width;
  int padded;  // columns that a kernel writes
  int odd;     // 0: not split
  std::ptrdiff_t stride;

  std::ptrdiff_t floats() const { return channels * stride; }
};

// Strides are odd numbers of cache lines, so that channels spread over all sets of the caches.
Format plain_format(int channels, int width);
// For a convolution of stride 2.
Format split_format(int channels, int width);

class Rows {
 public:
  // Rings keep `capacity` rows. The memory must be zero, as that of a new arena is.
  void place(Arena& arena, const Format& format, int height, int capacity);
  void place(Arena& arena, const Format& format, int height) { place(arena, format, height, height); }

  const Format& format() const { return format_; }
  int height() const { return height_; }

  // A row of the map, to be written.
  float* at(int y) const { return first_ + slot(y) * format_.floats(); }

  // The same to be read, `channel` channels on: zeros above and below the map.
  const float* read(int y, int channel = 0) const {
    const float* row = y < 0 || y >= height_ ? first_ : at(y);
    return row + channel * format_.stride;
  }

  // Zeros behind the last column, where kernels left other values: before a convolution reads the row.
  void seal(int y, int first_channel, int channels) const;
  void seal(int y) const { seal(y, 0, format_.channels); }

 private:
  std::ptrdiff_t slot(int y) const { return 1 + (capacity_ == height_ ? y : y % capacity_); }

  Format format_{};
  int height_ = 0;
  int capacity_ = 0;
  float* first_ = nullptr;  // the row of zeros; the others follow
};

}  // namespace miniseg
