// The interface in C: arguments checked, exceptions turned into codes.
#include "miniseg.h"

#include <atomic>
#include <cstring>
#include <memory>

#include "arguments.h"
#include "chain.h"
#include "locks.h"
#include "network.h"
#include "profiler.h"
#include "refusal.h"
#include "runner.h"
#include "sets.h"

using miniseg::guarded;
using miniseg::Refusal;
using miniseg::require;

namespace {

constexpr std::size_t kMaxPlan = std::size_t{1} << 30;

struct Loaded {
  std::uint32_t set;
  const miniseg::Kernels& kernels;
  miniseg::Network network;
};

}  // namespace

struct miniseg_model {
  std::shared_ptr<const Loaded> loaded;
};

struct miniseg_context {
  miniseg_context(std::shared_ptr<const Loaded> model, const miniseg_context_options& options)
      : loaded(std::move(model)),
        max_height(options.max_height),
        max_width(options.max_width),
        runner(loaded->network, loaded->kernels, static_cast<int>(options.threads),
               static_cast<int>(options.max_height), static_cast<int>(options.max_width), options.max_memory) {}

  void check(const miniseg_slice* slice, const miniseg_output* output) const {
    miniseg::check_slice(slice, max_height, max_width);
    miniseg::check_output(output);
    if (runner.forked()) throw Refusal(MINISEG_FORKED, "the context's threads are in the parent process");
  }

  std::shared_ptr<const Loaded> loaded;
  std::uint32_t max_height, max_width;
  miniseg::Runner runner;
  miniseg::Mutex mutex;
  miniseg::Signal idle;
  bool busy = false;
};

struct miniseg_chain {
  miniseg_chain(const miniseg::Kernels& kernels, const miniseg_chain_options& options)
      : chain(kernels,
              {static_cast<int>(options.channels), static_cast<int>(options.height), static_cast<int>(options.width),
               static_cast<int>(options.layers)},
              static_cast<int>(options.threads), options.weights) {}

  miniseg::Chain chain;
  std::atomic_flag busy;
};

namespace {

// The context's one run.
class Turn {
 public:
  explicit Turn(miniseg_context& context) : context_(context) {
    const miniseg::Lock lock(context_.mutex);
    if (context_.busy) throw Refusal(MINISEG_BUSY, "the context is in a run");
    context_.busy = true;
    context_.runner.expect();
  }
  ~Turn() {
    const miniseg::Lock lock(context_.mutex);
    context_.busy = false;
    context_.idle.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  miniseg_context& context_;
};

void run_in_turn(miniseg_context& context, const miniseg_slice& slice, const miniseg_output& output) {
  if (!context.runner.run(slice, output)) throw Refusal(MINISEG_CANCELLED, "the run was cancelled");
}

void fill(miniseg_layer& to, const miniseg::LayerTime& from) {
  const auto copy = [](char* text, std::size_t size, const char* words) {
    std::strncpy(text, words, size - 1);
    text[size - 1] = '\0';
  };
  copy(to.name, sizeof to.name, from.layer.name.c_str());
  copy(to.kind, sizeof to.kind, from.layer.kind);
  to.nanoseconds = from.nanoseconds;
  to.multiplications = from.layer.multiplications;
}

}  // namespace

extern "C" {

uint32_t miniseg_abi(void) { return MINISEG_ABI; }

const char* miniseg_build(void) { return MINISEG_BUILD; }

int32_t miniseg_has(uint32_t instruction_set) {
  return instruction_set == MINISEG_SET_BEST || miniseg::has_set(instruction_set) ? 1 : 0;
}

int32_t miniseg_open(const void* plan, size_t size, uint32_t instruction_set, miniseg_model** model,
                     miniseg_error* error) {
  return guarded(error, [&] {
    require(plan != nullptr && model != nullptr, "no plan, or no place for the model");
    *model = nullptr;
    if (size > kMaxPlan) throw Refusal(MINISEG_PLAN, "a plan of more than 1 GiB");
    const std::uint32_t set = miniseg::resolved_set(instruction_set);
    const miniseg::Kernels& kernels = miniseg::kernels_of(set);
    miniseg::PlanReader reader(plan, size);
    std::shared_ptr<const Loaded> loaded(new Loaded{set, kernels, miniseg::Network(reader, kernels)});
    *model = new miniseg_model{std::move(loaded)};
  });
}

void miniseg_close(miniseg_model* model) { delete model; }

int32_t miniseg_describe(const miniseg_model* model, miniseg_description* description, miniseg_error* error) {
  return guarded(error, [&] {
    require(model != nullptr && description != nullptr, "no model, or no place for its description");
    require(description->struct_size == sizeof *description, "a description of another version of miniseg.h");
    const miniseg::PlanHeader& header = model->loaded->network.header;
    description->plan_version = miniseg::kPlanVersion;
    description->values = header.values;
    description->result = header.result;
    description->channels = static_cast<uint32_t>(header.channels);
    description->classes = static_cast<uint32_t>(header.classes);
    for (int stage = 0; stage < miniseg::kStages; ++stage) {
      description->widths[stage] = static_cast<uint32_t>(header.widths[stage]);
      description->depths[stage] = static_cast<uint32_t>(header.depths[stage]);
      description->long_depths[stage] = static_cast<uint32_t>(header.long_depths[stage]);
    }
    description->instruction_set = model->loaded->set;
    description->parameters = model->loaded->network.parameters;
  });
}

int32_t miniseg_context_memory(const miniseg_model* model, const miniseg_context_options* options, uint64_t* bytes,
                               miniseg_error* error) {
  return guarded(error, [&] {
    require(model != nullptr && bytes != nullptr, "no model, or no place for the answer");
    miniseg::check_options(options);
    *bytes = miniseg::Runner::memory(model->loaded->network, model->loaded->kernels, static_cast<int>(options->threads),
                                     static_cast<int>(options->max_height), static_cast<int>(options->max_width));
  });
}

int32_t miniseg_context_open(const miniseg_model* model, const miniseg_context_options* options,
                             miniseg_context** context, miniseg_error* error) {
  return guarded(error, [&] {
    require(model != nullptr && context != nullptr, "no model, or no place for the context");
    *context = nullptr;
    miniseg::check_options(options);
    *context = new miniseg_context(model->loaded, *options);
  });
}

void miniseg_context_close(miniseg_context* context) {
  if (context == nullptr) return;
  if (!context->runner.forked()) {  // a fork may have copied a run that will never end
    miniseg::Lock lock(context->mutex);
    context->runner.cancel();
    context->idle.wait(lock, [&] { return !context->busy; });
  }
  delete context;
}

int32_t miniseg_run(miniseg_context* context, const miniseg_slice* slice, const miniseg_output* output,
                    miniseg_error* error) {
  return guarded(error, [&] {
    require(context != nullptr, "no context");
    context->check(slice, output);
    const Turn turn(*context);
    run_in_turn(*context, *slice, *output);
  });
}

int32_t miniseg_run_volume(miniseg_context* context, const miniseg_slice* first, const miniseg_output* output,
                           const miniseg_volume* volume, uint32_t* done, miniseg_error* error) {
  uint32_t made = 0;
  const int32_t code = guarded(error, [&] {
    require(context != nullptr, "no context");
    require(volume != nullptr && volume->struct_size == sizeof *volume, "a volume of another version of miniseg.h");
    if (volume->slices == 0) return;
    context->check(first, output);
    miniseg::check_strides(*volume, *first, *output);
    const Turn turn(*context);
    miniseg_slice slice = *first;
    miniseg_output to = *output;
    while (made < volume->slices) {
      run_in_turn(*context, slice, to);
      ++made;
      if (volume->progress != nullptr && volume->progress(volume->user, made, volume->slices) != 0 &&
          made < volume->slices) {
        throw Refusal(MINISEG_CANCELLED, "the caller stopped the run");
      }
      slice.pixels = static_cast<const char*>(slice.pixels) + volume->slice_stride;
      to.pixels = static_cast<char*>(to.pixels) + volume->output_stride;
    }
  });
  if (done != nullptr) *done = made;
  return code;
}

int32_t miniseg_cancel(miniseg_context* context) {
  if (context == nullptr || context->runner.forked()) return 0;
  const miniseg::Lock lock(context->mutex);
  if (!context->busy) return 0;
  context->runner.cancel();
  return 1;
}

int32_t miniseg_profile_run(const miniseg_model* model, const miniseg_context_options* options,
                            const miniseg_slice* slice, const miniseg_output* output, miniseg_profile* profile,
                            miniseg_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "no model");
    miniseg::check_options(options);
    miniseg::check_slice(slice, options->max_height, options->max_width);
    miniseg::check_output(output);
    miniseg::check_profile(profile);
    const Loaded& loaded = *model->loaded;
    const int height = static_cast<int>(slice->height);
    const int width = static_cast<int>(slice->width);
    profile->count = miniseg::Profiler::count(loaded.network);
    if (profile->capacity == 0) return;
    require(profile->capacity >= profile->count, "room for some layers, and not for all");
    miniseg::Profiler profiler(loaded.network, loaded.kernels, static_cast<int>(options->threads), height, width,
                               options->max_memory);
    profile->nanoseconds = profiler.run(*slice, *output, static_cast<int>(profile->runs));
    miniseg_layer* to = profile->layers;
    for (const miniseg::LayerTime& layer : profiler.layers()) fill(*to++, layer);
  });
}

int32_t miniseg_chain_open(const miniseg_chain_options* options, miniseg_chain** chain, miniseg_error* error) {
  return guarded(error, [&] {
    require(chain != nullptr, "no place for the chain");
    *chain = nullptr;
    miniseg::check_chain(options);
    *chain = new miniseg_chain(miniseg::kernels_of(miniseg::resolved_set(options->instruction_set)), *options);
  });
}

int32_t miniseg_chain_run(miniseg_chain* chain, const float* input, float* output, miniseg_error* error) {
  return guarded(error, [&] {
    require(chain != nullptr && input != nullptr && output != nullptr, "no chain, or no maps");
    if (chain->chain.forked()) throw Refusal(MINISEG_FORKED, "the chain's threads are in the parent process");
    if (chain->busy.test_and_set()) throw Refusal(MINISEG_BUSY, "the chain is in a call");
    chain->chain.run(input, output);
    chain->busy.clear();
  });
}

void miniseg_chain_close(miniseg_chain* chain) { delete chain; }

}  // extern "C"
