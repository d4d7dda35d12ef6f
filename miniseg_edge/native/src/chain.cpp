#include "chain.h"

#include <cstring>

#include "blocks.h"
#include "refusal.h"

namespace miniseg {
namespace {

constexpr int kTaps = 9;
constexpr int kGrain = 4;  // rows that a thread takes at a time

}  // namespace

Chain::Chain(const Kernels& kernels, const Shape& shape, int threads, const float* weights)
    : kernels_(kernels),
      shape_(shape),
      threads_(threads),
      weights_(in_blocks(weights, nullptr, shape.channels, shape.channels * kTaps, kernels.block_outputs)),
      slopes_(static_cast<std::size_t>(shape.channels), 1.0F),
      bands_(static_cast<std::size_t>(shape.layers)) {
  bytes_ = place(nullptr);
  memory_ = static_cast<char*>(take_pages(bytes_));
  if (memory_ == nullptr) throw Refusal(MINISEG_MEMORY, "the host gives no more memory");
  place(memory_);
  try {
    team_ = std::make_unique<Team>(threads, [this](int thread) { work(thread); });
  } catch (...) {
    give_pages_back(memory_, bytes_);
    throw;
  }
}

Chain::~Chain() {
  team_.reset();
  Arena::open(memory_, bytes_);
  give_pages_back(memory_, bytes_);
}

std::uint64_t Chain::place(char* block) {
  Arena arena(block);
  for (Rows& map : maps_) map.place(arena, plain_format(shape_.channels, shape_.width), shape_.height);
  return arena.used();
}

void Chain::run(const float* input, float* output) {
  const FloatEnvironment environment;
  const std::ptrdiff_t width = shape_.width;
  const auto bytes = static_cast<std::size_t>(width) * sizeof(float);
  const auto for_each_row = [&](const Rows& map, const auto& work) {
    for (int c = 0; c < shape_.channels; ++c) {
      for (int y = 0; y < shape_.height; ++y) {
        work(map.at(y) + c * map.format().stride, (static_cast<std::ptrdiff_t>(c) * shape_.height + y) * width);
      }
    }
  };
  for_each_row(maps_[0], [&](float* row, std::ptrdiff_t place) { std::memcpy(row, input + place, bytes); });
  for (int y = 0; y < shape_.height; ++y) maps_[0].seal(y);  // of an odd number of layers, the last run's are there
  for (Bands& bands : bands_) bands.reset(shape_.height, threads_);
  team_->run();
  for_each_row(maps_[shape_.layers % 2],
               [&](const float* row, std::ptrdiff_t place) { std::memcpy(output + place, row, bytes); });
}

void Chain::work(int thread) {
  for (int layer = 0; layer < shape_.layers; ++layer) {
    Bands& bands = bands_[static_cast<std::size_t>(layer)];
    for (Band band = bands.take(thread, kGrain); !band.empty(); band = bands.take(thread, kGrain)) make(layer, band);
    team_->meet([] {});
  }
}

void Chain::make(int layer, Band band) const {
  const Rows& from = maps_[layer % 2];
  const Rows& to = maps_[(layer + 1) % 2];
  const Format& format = to.format();
  const Blocks blocks{weights_.data(), shape_.channels, shape_.channels * kTaps};
  for (int y = band.begin; y < band.end; ++y) {
    const float* rows[3];
    for (int r = 0; r < 3; ++r) rows[r] = from.read(y - 1 + r);
    kernels_.dense3({rows, format.channels, format.stride, 0, blocks, slopes_.data(),
                     {to.at(y), nullptr, nullptr, format.stride}, format.padded});
    to.seal(y);
  }
}

}  // namespace miniseg
