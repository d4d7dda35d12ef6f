#include "arguments.h"

#include <cstring>

#include "bands.h"

namespace miniseg {
namespace {

constexpr std::uint32_t kMaxSide = 4096;
constexpr std::uint32_t kMaxRuns = 1000;
constexpr std::uint32_t kMaxChannels = 1024;
constexpr std::uint32_t kMaxLayers = 64;
constexpr std::uint64_t kMaxMap = std::uint64_t{1} << 28;  // floats

int64_t size_of(std::uint32_t type) {
  require(type >= MINISEG_U8 && type <= MINISEG_F32, "pixels of an unknown type");
  return type == MINISEG_U8 ? 1 : (type == MINISEG_I16 ? 2 : 4);
}

bool aligned(const void* pixels, int64_t size) {
  return reinterpret_cast<std::uintptr_t>(pixels) % static_cast<std::uintptr_t>(size) == 0;
}

void check_threads(std::uint32_t threads) { require(threads >= 1 && threads <= kMaxThreads, "1 to 64 threads"); }

bool is_side(std::uint32_t side) { return side >= 1 && side <= kMaxSide; }

}  // namespace

int32_t report(miniseg_error* error, miniseg_code code, const char* message) {
  if (error != nullptr) {
    error->code = code;
    std::strncpy(error->message, message, sizeof error->message - 1);
    error->message[sizeof error->message - 1] = '\0';
  }
  return code;
}

void require(bool right, const char* otherwise) {
  if (!right) throw Refusal(MINISEG_ARGUMENT, otherwise);
}

void check_options(const miniseg_context_options* options) {
  require(options != nullptr && options->struct_size == sizeof *options, "options of another version of miniseg.h");
  check_threads(options->threads);
  require(is_side(options->max_height), "a height of 1 to 4096 pixels");
  require(is_side(options->max_width), "a width of 1 to 4096 pixels");
}

void check_slice(const miniseg_slice* slice, std::uint32_t max_height, std::uint32_t max_width) {
  require(slice != nullptr && slice->struct_size == sizeof *slice, "a slice of another version of miniseg.h");
  require(slice->pixels != nullptr, "a slice without pixels");
  require(slice->height >= 1 && slice->height <= max_height, "a height that the context is not for");
  require(slice->width >= 1 && slice->width <= max_width, "a width that the context is not for");
  const int64_t size = size_of(slice->type);
  const bool whole = slice->pixel_stride % size == 0 && slice->row_stride % size == 0 && slice->channel_stride % size == 0;
  require(whole && aligned(slice->pixels, size), "pixels that are not aligned for their type");
}

void check_output(const miniseg_output* output) {
  require(output != nullptr && output->struct_size == sizeof *output, "an output of another version of miniseg.h");
  require(output->pixels != nullptr, "an output without pixels");
  require(output->result == MINISEG_LOGITS || output->result == MINISEG_MASK, "an unknown kind of result");
  if (output->result == MINISEG_LOGITS) {
    require(output->row_stride % 4 == 0 && output->channel_stride % 4 == 0 && aligned(output->pixels, 4),
            "logits that are not aligned");
  }
}

void check_strides(const miniseg_volume& volume, const miniseg_slice& first, const miniseg_output& output) {
  require(volume.slice_stride % size_of(first.type) == 0, "slices that are not aligned for their type");
  require(output.result == MINISEG_MASK || volume.output_stride % 4 == 0, "logits that are not aligned");
}

void check_profile(const miniseg_profile* profile) {
  require(profile != nullptr && profile->struct_size == sizeof *profile && profile->layer_size == sizeof(miniseg_layer),
          "a profile of another version of miniseg.h");
  require(profile->runs >= 1 && profile->runs <= kMaxRuns, "1 to 1000 runs");
  require(profile->layers != nullptr || profile->capacity == 0, "no place for the layers");
}

void check_chain(const miniseg_chain_options* options) {
  require(options != nullptr && options->struct_size == sizeof *options, "options of another version of miniseg.h");
  check_threads(options->threads);
  require(options->channels >= 1 && options->channels <= kMaxChannels, "1 to 1024 channels");
  require(options->layers >= 1 && options->layers <= kMaxLayers, "1 to 64 layers");
  require(is_side(options->height) && is_side(options->width), "sides of 1 to 4096");
  require(std::uint64_t{options->channels} * options->height * options->width <= kMaxMap, "maps of at most 1 GiB");
  require(options->weights != nullptr, "no weights");
}

}  // namespace miniseg
