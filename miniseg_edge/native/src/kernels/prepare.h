// Pixels to normalised values, and logits to classes: what stands before and behind the network.
#pragma once

#include "../kernels.h"
#include "../miniseg.h"
#include "vector.h"

namespace {

using miniseg::kSegment;
using miniseg::MaskRow;
using miniseg::PreparedRow;

// A loop as plain as compilers want one to be that they turn into vectors of conversions.
template <typename Pixel>
MINISEG_INLINE void convert(const Pixel* __restrict pixels, int count, float* __restrict values) {
  for (int i = 0; i < count; ++i) values[i] = static_cast<float>(pixels[i]);
}

template <typename Pixel>
MINISEG_INLINE void read_pixels(const char* from, std::ptrdiff_t stride, int count, float* values) {
  if (stride == static_cast<std::ptrdiff_t>(sizeof(Pixel))) {
    convert(reinterpret_cast<const Pixel*>(from), count, values);
  } else {
    for (int i = 0; i < count; ++i, from += stride) values[i] = static_cast<float>(*reinterpret_cast<const Pixel*>(from));
  }
}

MINISEG_INLINE Vector normalised(const PreparedRow& row, Vector x) {
  x = x < row.low ? broadcast(row.low) : x;
  x = x > row.high ? broadcast(row.high) : x;
  return multiply_add(x, broadcast(row.factor), broadcast(row.offset));
}

template <typename Pixel>
MINISEG_INLINE void prepare_pixels(const PreparedRow& row) {
  constexpr int kStep = 2 * kLanes;
  const char* pixels = static_cast<const char*>(row.pixels);
  float values[kSegment + kStep] = {};
  for (int x = 0; x < row.width; x += kSegment) {
    const int count = row.width - x < kSegment ? row.width - x : kSegment;
    read_pixels<Pixel>(pixels + x * row.pixel_stride, row.pixel_stride, count, values);
    for (int i = 0; i < count; i += kStep) {
      const Vector first = normalised(row, load(values + i));
      const Vector second = normalised(row, load(values + i + kLanes));
      store(row.output + (x + i) / 2, even(first, second));
      store(row.output + row.odd + (x + i) / 2, odd(first, second));
    }
  }
}

void prepare(const PreparedRow& given) {
  const PreparedRow row = given;  // a copy that no store can change
  if (row.type == MINISEG_U8) {
    prepare_pixels<std::uint8_t>(row);
  } else if (row.type == MINISEG_I16) {
    prepare_pixels<std::int16_t>(row);
  } else {
    prepare_pixels<float>(row);
  }
}

void mask(const MaskRow& row) {
  constexpr float kLargest = 3.402823466e38F;
  for (int x = 0; x < row.width; ++x) {
    int found = 0;
    bool finite = true;
    float largest = 0.0F;
    for (int map = 0; map < row.maps; ++map) {
      const float logit = row.logits[map * row.stride + x];
      finite = finite && logit <= kLargest && logit >= -kLargest;
      if (logit > largest) {
        largest = logit;
        found = map + 1;
      }
    }
    row.output[x] = static_cast<std::uint8_t>(finite ? found : 255);
  }
}

}  // namespace
