#include "rows.h"

#include <cstring>

namespace miniseg {
namespace {

int padded_to_tile(int width) { return (width + kTile - 1) / kTile * kTile; }

void set_zero(float* row, int begin, int end) {
  if (begin < end) std::memset(row + begin, 0, static_cast<std::size_t>(end - begin) * sizeof(float));
}

}  // namespace

Format plain_format(int channels, int width) {
  const int padded = padded_to_tile(width);
  return {channels, width, padded, 0, padded + kHalo};
}

Format split_format(int channels, int width) {
  const int half = padded_to_tile((width + 1) / 2) + kHalo;
  return {channels, width, padded_to_tile(width), half, 2 * half + kHalo};
}

void Rows::place(Arena& arena, const Format& format, int height, int capacity) {
  format_ = format;
  height_ = height;
  capacity_ = capacity < height ? capacity : height;
  const auto rows = static_cast<std::uint64_t>(capacity_) + 1;
  float* block = arena.floats(rows * static_cast<std::uint64_t>(format.floats()) + kHalo);
  first_ = block == nullptr ? nullptr : block + kHalo;
}

void Rows::seal(int y, int first_channel, int channels) const {
  if (format_.width == format_.padded) return;
  float* row = at(y) + first_channel * format_.stride;
  for (int c = 0; c < channels; ++c, row += format_.stride) {
    if (format_.odd == 0) {
      set_zero(row, format_.width, format_.padded);
    } else {
      set_zero(row, (format_.width + 1) / 2, format_.padded / 2);
      set_zero(row + format_.odd, format_.width / 2, format_.padded / 2);
    }
  }
}

}  // namespace miniseg
