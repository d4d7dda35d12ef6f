// A map whose rows are made from top to bottom when somebody asks for them, and kept in a ring as long as needed.
// A thread has its own streams: at the seam of two threads' bands, both make the rows that both need.
#pragma once

#include "rows.h"

namespace miniseg {

class Stream {
 public:
  virtual ~Stream() = default;

  // Nothing is made yet, and nothing was requested.
  void forget() { next_ = kNowhere; }

  // The next rows that are asked for begin at `row` or before.
  void begin_at(int row) {
    row = row > 0 ? row : 0;
    if (row >= next_) return;
    next_ = row;
    begin_inputs_at(row);
  }

  // Makes all rows before `end`.
  void need(int end) {
    end = end < height() ? end : height();
    while (next_ < end) {
      const int stop = next_ + step_ < end ? next_ + step_ : end;
      make(next_, stop);
      next_ = stop;
    }
  }

  virtual int height() const = 0;

 protected:
  // How many rows are made at a time.
  int step_ = 1;

 private:
  virtual void begin_inputs_at(int row) = 0;
  virtual void make(int begin, int end) = 0;

  static constexpr int kNowhere = 1 << 30;
  int next_ = kNowhere;
};

}  // namespace miniseg
