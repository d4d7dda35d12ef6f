// Rows of a layer, shared among threads. Each begins with a part of its own and takes from its front, so that what it
// reads is near it; who has nothing left takes half of what another still has, from the back.
#pragma once

#include <atomic>
#include <cstdint>

namespace miniseg {

constexpr int kMaxThreads = 64;

struct Band {
  int begin;
  int end;
  bool empty() const { return begin >= end; }
};

class Bands {
 public:
  void reset(int rows, int threads) {
    threads_ = threads;
    for (int t = 0; t < threads; ++t) {
      const auto part = [&](int i) { return static_cast<int>(static_cast<std::int64_t>(rows) * i / threads); };
      parts_[t].rows.store(packed({part(t), part(t + 1)}), std::memory_order_relaxed);
    }
  }

  // Up to `grain` rows that no other thread has, or none when all are taken.
  Band take(int thread, int grain) {
    for (;;) {
      const Band own = from_front(parts_[thread].rows, grain);
      if (!own.empty()) return own;
      const Band found = from_another(thread, grain);
      if (found.empty()) return found;
      parts_[thread].rows.store(packed(found), std::memory_order_relaxed);
    }
  }

 private:
  struct alignas(64) Part {
    std::atomic<std::uint64_t> rows;
  };

  static std::uint64_t packed(Band band) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(band.begin)) << 32 |
           static_cast<std::uint32_t>(band.end);
  }

  static Band unpacked(std::uint64_t rows) {
    return {static_cast<int>(rows >> 32), static_cast<int>(rows & 0xFFFFFFFFU)};
  }

  static Band from_front(std::atomic<std::uint64_t>& rows, int grain) {
    std::uint64_t seen = rows.load(std::memory_order_relaxed);
    for (;;) {
      const Band band = unpacked(seen);
      if (band.empty()) return band;
      const int middle = band.end - band.begin > grain ? band.begin + grain : band.end;
      if (rows.compare_exchange_weak(seen, packed({middle, band.end}), std::memory_order_relaxed)) {
        return {band.begin, middle};
      }
    }
  }

  Band from_another(int thread, int grain) {
    for (;;) {
      int victim = -1;
      int most = 0;
      std::uint64_t seen = 0;
      for (int t = 0; t < threads_; ++t) {
        const std::uint64_t rows = parts_[t].rows.load(std::memory_order_relaxed);
        const Band band = unpacked(rows);
        if (t != thread && band.end - band.begin > most) {
          victim = t;
          most = band.end - band.begin;
          seen = rows;
        }
      }
      if (victim < 0) return {0, 0};
      const Band band = unpacked(seen);
      const int half = (most + 1) / 2;
      const int taken = half > grain ? half : (most < grain ? most : grain);
      const int middle = band.end - taken;
      if (parts_[victim].rows.compare_exchange_strong(seen, packed({band.begin, middle}), std::memory_order_relaxed)) {
        return {middle, band.end};
      }
    }
  }

  int threads_ = 0;
  Part parts_[kMaxThreads];
};

}  // namespace miniseg
