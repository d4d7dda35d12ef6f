#include "plan.h"

#include <cmath>
#include <cstring>
#include <string>

#include "refusal.h"

namespace miniseg {
namespace {

constexpr char kMagic[] = {'M', 'I', 'N', 'I', 'S', 'E', 'G', 'P'};
constexpr std::uint64_t kHeaderSize = 128;
constexpr std::uint64_t kRecordSize = 32;
constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kReserved = 104;

// Far beyond any MiniSeg; the same as in miniseg_edge/architecture.py and tensors.py.
constexpr std::uint32_t kMaxWidth = 1024;
constexpr std::uint32_t kMaxDepth = 64;
constexpr std::uint32_t kMaxClasses = 255;
constexpr std::uint32_t kMaxChannels = 64;

[[noreturn]] void refuse(const std::string& what) { throw Refusal(MINISEG_PLAN, "the plan is broken: " + what); }

int within(std::uint32_t value, std::uint32_t low, std::uint32_t high, const char* name) {
  if (value < low || value > high) {
    refuse(std::string(name) + " must be " + std::to_string(low) + ".." + std::to_string(high) + ", and is " +
           std::to_string(value));
  }
  return static_cast<int>(value);
}

std::uint64_t aligned(std::uint64_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

PlanReader::PlanReader(const void* plan, std::size_t size)
    : bytes_(static_cast<const unsigned char*>(plan)), size_(size) {
  if (size_ < kHeaderSize) throw Refusal(MINISEG_PLAN, "not a plan: fewer bytes than its header has");
  if (std::memcmp(bytes_, kMagic, sizeof kMagic) != 0) throw Refusal(MINISEG_PLAN, "not a plan: it begins otherwise");
  if (const std::uint32_t version = u32(8); version != kPlanVersion) {
    throw Refusal(MINISEG_VERSION, "this library reads plans of version " + std::to_string(kPlanVersion) +
                                       ", and this one has " + std::to_string(version));
  }
  if (u64(96) != size_) refuse("its size is another than it says");
  read_header();
  records_ = u32(12);
  if (records_ > (size_ - kHeaderSize) / kRecordSize) refuse("it has fewer bytes than its records take");
  end_ = kHeaderSize + records_ * kRecordSize;
}

void PlanReader::read_header() {
  header_.values = static_cast<std::uint32_t>(within(u32(16), MINISEG_GREY, MINISEG_HU, "the kind of values"));
  header_.result = static_cast<std::uint32_t>(within(u32(20), MINISEG_LOGITS, MINISEG_MASK, "the kind of result"));
  header_.channels = within(u32(24), 1, kMaxChannels, "channels");
  header_.classes = within(u32(28), 2, kMaxClasses, "classes");
  for (std::uint32_t stage = 0; stage < kStages; ++stage) {
    header_.widths[stage] = within(u32(32 + 4 * stage), 1, kMaxWidth, "a stage's channels");
    header_.depths[stage] = within(u32(48 + 4 * stage), 0, kMaxDepth, "a stage's depth");
    const auto depth = static_cast<std::uint32_t>(header_.depths[stage]);
    header_.long_depths[stage] = within(u32(64 + 4 * stage), 0, depth, "a long path's depth");
    if (stage > 0 && header_.widths[stage] % 4 != 0) refuse("a pyramid's channels must be a multiple of 4");
  }
  header_.low = f32(80);
  header_.high = f32(84);
  header_.factor = f32(88);
  header_.offset = f32(92);
  if (!(header_.low < header_.high)) refuse("an empty window");
  check_zeros(kReserved, kHeaderSize);
}

std::vector<float> PlanReader::next(Kind kind, int stage, int index, std::uint64_t count) {
  if (record_ == records_) refuse("too few records");
  const std::uint64_t at = kHeaderSize + record_ * kRecordSize;
  const bool expected = u32(at) == static_cast<std::uint32_t>(kind) && u32(at + 4) == static_cast<std::uint32_t>(stage) &&
                        u32(at + 8) == static_cast<std::uint32_t>(index) && u32(at + 12) == 0 && u64(at + 24) == count;
  const std::string name = "record " + std::to_string(record_);
  if (!expected) refuse(name + " is not the one that a network of this shape has there");
  const std::uint64_t first = aligned(end_);
  if (u64(at + 16) != first) refuse(name + " does not follow the one before");
  if (first > size_ || count > (size_ - first) / sizeof(float)) refuse(name + " is larger than the file");
  check_zeros(end_, first);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = f32(first + i * sizeof(float));
  end_ = first + count * sizeof(float);
  ++record_;
  return values;
}

void PlanReader::finish() const {
  if (record_ != records_) refuse("too many records");
  if (end_ != size_) refuse("bytes follow its last record");
}

std::uint32_t PlanReader::u32(std::uint64_t at) const {
  const unsigned char* b = bytes_ + at;
  return static_cast<std::uint32_t>(b[0]) | static_cast<std::uint32_t>(b[1]) << 8 |
         static_cast<std::uint32_t>(b[2]) << 16 | static_cast<std::uint32_t>(b[3]) << 24;
}

std::uint64_t PlanReader::u64(std::uint64_t at) const {
  return u32(at) | static_cast<std::uint64_t>(u32(at + 4)) << 32;
}

float PlanReader::f32(std::uint64_t at) const {
  const std::uint32_t bits = u32(at);
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  if (!std::isfinite(value)) refuse("a number is not finite");
  return value;
}

void PlanReader::check_zeros(std::uint64_t begin, std::uint64_t end) const {
  for (std::uint64_t at = begin; at < end; ++at) {
    if (bytes_[at] != 0) refuse("a byte that must be zero is not");
  }
}

}  // namespace miniseg
