#include "bilinear.h"

#include <cmath>

#include "rows.h"

namespace miniseg {

Between between(int x, int before, int after) {
  const double place = (x + 0.5) * before / after - 0.5;
  const double clamped = place > 0 ? place : 0;
  const int first = static_cast<int>(std::floor(clamped));
  const int second = first + 1 < before ? first + 1 : first;
  const auto fraction = static_cast<float>(clamped - first);
  return {first, second, {1.0F - fraction, fraction}};
}

void ColumnTables::place(Arena& arena, int before, int after) {
  before_ = before;
  after_ = after;
  for (float*& table : tables_) table = arena.floats(static_cast<std::uint64_t>(plain_format(1, before).padded));
  weights_ = {{tables_[0], tables_[1], tables_[2]}, {tables_[3], tables_[4]}};
}

void ColumnTables::fill() const {
  for (int x = 0; x < after_; ++x) {
    const Between found = between(x, before_, after_);
    const int j = x / 2;
    // Tables 0, 1, 2 are columns j - 1, j, j + 1 for even x; 3 and 4 are columns j and j + 1 for odd x.
    const int base = x % 2 == 0 ? 1 - j : 3 - j;
    tables_[base + found.first][j] += found.weights[0];
    tables_[base + found.second][j] += found.weights[1];
  }
}

}  // namespace miniseg
