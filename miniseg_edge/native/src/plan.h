// The file format of a plan, and its reader. All numbers are little-endian.
//
//     0  "MINISEGP"            8  u32 version              12  u32 number of records
//    16  u32 values           20  u32 result               24  u32 channels      28  u32 classes
//    32  u32 widths[4]        48  u32 depths[4]            64  u32 long depths[4]
//    80  f32 low              84  f32 high                 88  f32 factor        92  f32 offset
//    96  u64 size of the file                             104  24 bytes of zeros
//   128  the records, 32 bytes each: u32 kind, u32 stage, u32 index, u32 zero, u64 first byte, u64 number of floats
//
// The records' floats follow in the same order, each record's at the next multiple of 64 bytes, zeros between them.
// Which records there are, and how many floats each has, follows from the header: a reader knows both beforehand and
// takes nothing else (network.cpp walks through them). What the floats mean stands at Kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace miniseg {

constexpr std::uint32_t kPlanVersion = 1;
constexpr int kStages = 4;

// Floats of a record, in order; c the stage's channels, n = c / 4, i the inputs.
enum class Kind : std::uint32_t {
  kFirstLong = 1,     // weights [c][i][5][5], bias [c], slopes [c]
  kFirstDown = 2,     // weights [c][i][3][3], bias [c], slopes [c]
  kConvBlock = 3,     // weights [c][c][3][3], bias [c], slopes [c]
  kLongEntry = 4,     // weights [c][i], bias [c]; in a stage's first block, i is twice the channels of the stage before
  kLongTail = 5,      // weights [c][5][5], bias [c], slopes [c]
  kPyramidEntry = 6,  // weights [n][i], bias [n]
  kPyramid = 7,       // taps [4][n][3][3], attention [4][n], fuse [4][n][n], shift [c], slopes [c]
  kTop = 8,           // weights [c][c], bias [c], slopes [c]
  kReduce = 9,        // weights [c][i], bias [c]; i the channels of the next stage
  kFusion = 10,       // taps [c][5][5], weights [c][c], bias [c], slopes [c]
  kHead = 11,         // weights [classes - 1][c], bias [classes - 1]
};

struct PlanHeader {
  std::uint32_t values, result;
  int channels, classes;
  int widths[kStages], depths[kStages], long_depths[kStages];
  float low, high, factor, offset;
};

// Reads a plan from front to back. Every size is checked before it is used, and memory is taken for floats that are
// there alone.
class PlanReader {
 public:
  // Refuses what is not a plan of this version, or has a header out of bounds.
  PlanReader(const void* plan, std::size_t size);

  const PlanHeader& header() const { return header_; }

  // The next record's floats. Refuses another record, and values that are not finite.
  std::vector<float> next(Kind kind, int stage, int index, std::uint64_t count);

  // Refuses what follows the last record.
  void finish() const;

 private:
  std::uint32_t u32(std::uint64_t at) const;
  std::uint64_t u64(std::uint64_t at) const;
  float f32(std::uint64_t at) const;
  void read_header();
  void check_zeros(std::uint64_t begin, std::uint64_t end) const;

  const unsigned char* bytes_;
  std::uint64_t size_;
  PlanHeader header_{};
  std::uint32_t records_ = 0;
  std::uint32_t record_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace miniseg
