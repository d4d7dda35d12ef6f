// libminiseg under load, for sanitizers: stress WHAT (PLAN PIXELS HEIGHT WIDTH LOGITS)...
// LOGITS are those that each plan must give for its pixels. Exit code 0: they came, to the bit. Buffers lie on the heap and
// are not a byte larger than the library may touch.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "miniseg.h"

namespace {

void require(bool right, const char* otherwise) {
  if (right) return;
  std::fprintf(stderr, "%s\n", otherwise);
  std::exit(3);
}

struct Bytes {
  explicit Bytes(std::size_t count) : at(new unsigned char[count]), size(count) {}
  std::unique_ptr<unsigned char[]> at;
  std::size_t size;
};

Bytes contents(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  require(file != nullptr && std::fseek(file, 0, SEEK_END) == 0, "a file is missing");
  Bytes bytes(static_cast<std::size_t>(std::ftell(file)));
  std::rewind(file);
  require(std::fread(bytes.at.get(), 1, bytes.size, file) == bytes.size, "a file cannot be read");
  std::fclose(file);
  return bytes;
}

using Model = std::unique_ptr<miniseg_model, decltype(&miniseg_close)>;
using Context = std::unique_ptr<miniseg_context, decltype(&miniseg_context_close)>;

Model opened(const Bytes& plan, std::uint32_t set = MINISEG_SET_BEST) {
  miniseg_model* model = nullptr;
  miniseg_open(plan.at.get(), plan.size, set, &model, nullptr);
  return {model, miniseg_close};
}

Context context_of(const miniseg_model* model, std::uint32_t height, std::uint32_t width, std::uint32_t threads) {
  const miniseg_context_options options = {sizeof options, threads, height, width, 0};
  miniseg_context* context = nullptr;
  require(miniseg_context_open(model, &options, &context, nullptr) == MINISEG_OK, "a context was refused");
  return {context, miniseg_context_close};
}

struct Case {
  Bytes plan, pixels;
  std::uint32_t height, width;
  Bytes logits;

  Context context(const miniseg_model* model, std::uint32_t threads, std::uint32_t more = 0) const {
    return context_of(model, height + more, width + more, threads);
  }

  miniseg_slice slice() const {
    return {sizeof(miniseg_slice), MINISEG_U8, pixels.at.get(), height, width, std::int64_t{height} * width, width, 1};
  }

  miniseg_output output(unsigned char* pixels) const {
    const std::int64_t row = 4 * std::int64_t{width};
    return {sizeof(miniseg_output), MINISEG_LOGITS, pixels, height * row, row};
  }

  int run(miniseg_context* context, const miniseg_slice& given, unsigned char* pixels) const {
    const miniseg_output to = output(pixels);
    return miniseg_run(context, &given, &to, nullptr);
  }

  // A run's code; if that is MINISEG_OK, the logits are right.
  int checked_run(miniseg_context* context) const {
    const Bytes output(logits.size);
    const int code = run(context, slice(), output.at.get());
    require(code != MINISEG_OK || std::memcmp(output.at.get(), logits.at.get(), logits.size) == 0, "other logits");
    return code;
  }

  void right_run(miniseg_context* context) const { require(checked_run(context) == MINISEG_OK, "a run failed"); }
};

using Cases = std::vector<Case>;

// Each instruction set: one thread in a context that fits, three in one that is larger.
void sets(const Cases& cases) {
  for (const Case& one : cases) {
    for (std::uint32_t set = MINISEG_SET_PLAIN; set <= MINISEG_SET_NEON; ++set) {
      if (miniseg_has(set) == 0) continue;
      const Model model = opened(one.plan, set);
      require(model != nullptr, "a plan was refused");
      one.right_run(one.context(model.get(), 1).get());
      one.right_run(one.context(model.get(), 3, 41).get());
    }
  }
}

// Threads that share models, each with contexts of its own threads; models are closed before their contexts run.
void together(const Cases& cases) {
  std::vector<Model> models;
  for (const Case& one : cases) models.push_back(opened(one.plan));
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  constexpr int kCallers = 3;
  for (int caller = 0; caller < kCallers; ++caller) {
    threads.emplace_back([&] {
      std::vector<Context> contexts;
      for (std::size_t i = 0; i < cases.size(); ++i) contexts.push_back(cases[i].context(models[i].get(), 2, 8));
      ++ready;
      for (int time = 0; time < 4; ++time) {
        for (std::size_t i = 0; i < cases.size(); ++i) cases[i].right_run(contexts[i].get());
      }
    });
  }
  while (ready < kCallers) std::this_thread::yield();
  models.clear();
  for (std::thread& thread : threads) thread.join();
}

// Until runs have been cancelled a few times by another thread; the run after that is whole.
void cancel(const Cases& cases) {
  for (const Case& one : cases) {
    const Model model = opened(one.plan);
    const Context context = one.context(model.get(), 3);
    std::atomic<bool> over{false};
    std::thread other([&] {
      while (!over) miniseg_cancel(context.get());
    });
    int cancelled = 0;
    for (int time = 0; time < 1000 && cancelled < 3; ++time) cancelled += one.checked_run(context.get()) == MINISEG_CANCELLED;
    over = true;
    other.join();
    require(cancelled == 3, "runs are not cancelled");
    one.right_run(context.get());
  }
}

// Two threads want one context: one of them has it, the other is told that it is busy.
void busy(const Cases& cases) {
  for (const Case& one : cases) {
    const Model model = opened(one.plan);
    const Context context = one.context(model.get(), 2);
    std::atomic<int> refused{0};
    const auto call = [&] {
      for (int time = 0; time < 1000 && refused == 0; ++time) {
        const int code = one.checked_run(context.get());
        require(code == MINISEG_OK || code == MINISEG_BUSY, "another code than OK or BUSY");
        refused += code == MINISEG_BUSY;
      }
    };
    std::thread other(call);
    call();
    other.join();
    require(refused > 0, "two runs at once");
  }
}

// Contexts closed in a run, which a refused run of one pixel tells.
void close(const Cases& cases) {
  int closed = 0;
  for (int time = 0; time < 100 && closed < 3; ++time) {
    for (const Case& one : cases) {
      const Model model = opened(one.plan);
      Context context = one.context(model.get(), 2);
      std::atomic<bool> over{false};
      int code = MINISEG_BUSY;
      std::thread other([&, runs = context.get()] {
        while (code == MINISEG_BUSY) code = one.checked_run(runs);
        over = true;
      });
      miniseg_slice pixel = one.slice();
      pixel.height = pixel.width = 1;
      const Bytes output(one.logits.size);
      while (!over && one.run(context.get(), pixel, output.at.get()) != MINISEG_BUSY) std::this_thread::yield();
      context.reset();
      other.join();
      require(code == MINISEG_OK || code == MINISEG_CANCELLED, "another code than OK or CANCELLED");
      closed += code == MINISEG_CANCELLED;
    }
  }
  require(closed >= 3, "closing does not end runs");
}

// Volumes of one slice three times: whole, stopped by who is told, and cancelled by the same.
void volumes(const Cases& cases) {
  constexpr std::uint32_t kSlices = 3;
  struct Told {
    miniseg_context* context;
    bool stop, cancel;
  };
  const auto progress = [](void* user, std::uint32_t, std::uint32_t) -> std::int32_t {
    const Told* told = static_cast<const Told*>(user);
    if (told->cancel) miniseg_cancel(told->context);
    return told->stop;
  };
  for (const Case& one : cases) {
    const Model model = opened(one.plan);
    const Context context = one.context(model.get(), 3);
    for (Told told : {Told{context.get(), false, false}, Told{context.get(), true, false}, Told{context.get(), false, true}}) {
      const auto size = static_cast<std::int64_t>(one.logits.size);
      const Bytes output(kSlices * one.logits.size);
      const miniseg_slice first = one.slice();
      const miniseg_output to = one.output(output.at.get());
      const miniseg_volume volume = {sizeof volume, kSlices, 0, size, progress, &told};
      std::uint32_t done = 0;
      const int code = miniseg_run_volume(context.get(), &first, &to, &volume, &done, nullptr);
      const bool whole = !told.stop && !told.cancel;
      require(code == (whole ? MINISEG_OK : MINISEG_CANCELLED) && done == (whole ? kSlices : 1), "a volume ended otherwise");
      for (std::uint32_t i = 0; i < done; ++i) {
        require(std::memcmp(output.at.get() + i * one.logits.size, one.logits.at.get(), one.logits.size) == 0, "other logits");
      }
    }
  }
}

// Profiles, with room for exactly the layers that there are.
void profiles(const Cases& cases) {
  for (const Case& one : cases) {
    const Model model = opened(one.plan);
    const miniseg_context_options options = {sizeof options, 3, one.height, one.width, 0};
    const Bytes output(one.logits.size);
    const miniseg_slice slice = one.slice();
    const miniseg_output to = one.output(output.at.get());
    miniseg_profile profile = {sizeof profile, sizeof(miniseg_layer), 2, 0, nullptr, 0, 0, 0};
    require(miniseg_profile_run(model.get(), &options, &slice, &to, &profile, nullptr) == MINISEG_OK, "layers are not counted");
    const std::unique_ptr<miniseg_layer[]> layers(new miniseg_layer[profile.count]);
    profile.layers = layers.get();
    profile.capacity = profile.count;
    require(miniseg_profile_run(model.get(), &options, &slice, &to, &profile, nullptr) == MINISEG_OK, "a profile failed");
    require(std::memcmp(output.at.get(), one.logits.at.get(), one.logits.size) == 0, "other logits");
  }
}

// Chains of convolutions: the same bits with one thread and three.
void chains(const Cases&) {
  constexpr std::uint32_t kChannels = 5, kHeight = 19, kWidth = 33, kMap = kChannels * kHeight * kWidth;
  const std::unique_ptr<float[]> weights(new float[kChannels * kChannels * 9]), input(new float[kMap]);
  for (std::uint32_t i = 0; i < kChannels * kChannels * 9; ++i) weights[i] = static_cast<float>(i % 7) / 64 - 0.04F;
  for (std::uint32_t i = 0; i < kMap; ++i) input[i] = static_cast<float>(i % 11);
  std::vector<std::unique_ptr<float[]>> outputs;
  for (const std::uint32_t threads : {1U, 3U}) {
    const miniseg_chain_options options = {
        sizeof options, MINISEG_SET_BEST, threads, kChannels, kHeight, kWidth, 4, weights.get()};
    miniseg_chain* chain = nullptr;
    require(miniseg_chain_open(&options, &chain, nullptr) == MINISEG_OK, "a chain was refused");
    outputs.emplace_back(new float[kMap]);
    for (int time = 0; time < 3; ++time) {
      require(miniseg_chain_run(chain, input.get(), outputs.back().get(), nullptr) == MINISEG_OK, "a chain failed");
    }
    miniseg_chain_close(chain);
  }
  require(std::memcmp(outputs[0].get(), outputs[1].get(), kMap * sizeof(float)) == 0, "other bits");
}

// Plans cut off and with bytes changed: refused, or read and run.
void broken(const Cases& cases) {
  std::uint32_t chance = 1;
  const auto below = [&](std::size_t bound) {
    chance = chance * 1664525U + 1013904223U;
    return static_cast<std::size_t>(chance >> 8) % bound;
  };
  for (const Case& one : cases) {
    for (int time = 0; time < 100; ++time) {
      const bool cut = time % 2 == 0;
      Bytes plan(cut ? below(one.plan.size) : one.plan.size);
      std::memcpy(plan.at.get(), one.plan.at.get(), plan.size);
      if (!cut) plan.at[below(time % 4 == 1 ? 1024 : plan.size)] = static_cast<unsigned char>(below(256));
      const Model model = opened(plan);
      require(!cut || model == nullptr, "a plan that is cut off was read");
      if (model == nullptr) continue;
      const Bytes output(one.logits.size);
      one.run(context_of(model.get(), one.height, one.width, 1).get(), one.slice(), output.at.get());
    }
  }
}

// Faults, each of which its sanitizer must find inside the library.

void short_slice(const Cases& cases) {
  const Case& one = cases[0];
  const Model model = opened(one.plan);
  const Bytes pixels(one.pixels.size - 1), output(one.logits.size);
  std::memcpy(pixels.at.get(), one.pixels.at.get(), pixels.size);
  miniseg_slice given = one.slice();
  given.pixels = pixels.at.get();
  one.run(one.context(model.get(), 1).get(), given, output.at.get());
}

void far_rows(const Cases& cases) {
  const Case& one = cases[0];
  const Model model = opened(one.plan);
  const Bytes output(one.logits.size);
  miniseg_slice given = one.slice();
  given.row_stride = INT64_MIN;
  one.run(one.context(model.get(), 1).get(), given, output.at.get());
}

void shared_output(const Cases& cases) {
  const Case& one = cases[0];
  const Model model = opened(one.plan);
  const Bytes output(one.logits.size);
  const Context first = one.context(model.get(), 1), second = one.context(model.get(), 1);
  std::thread other([&] { one.run(first.get(), one.slice(), output.at.get()); });
  one.run(second.get(), one.slice(), output.at.get());
  other.join();
}

const std::map<std::string, void (*)(const Cases&)> kWhat = {
    {"sets", sets},
    {"together", together},
    {"cancel", cancel},
    {"busy", busy},
    {"close", close},
    {"volumes", volumes},
    {"profiles", profiles},
    {"chains", chains},
    {"broken", broken},
    {"short-slice", short_slice},
    {"far-rows", far_rows},
    {"shared-output", shared_output},
};

}  // namespace

int main(int count, char** words) {
  require(count >= 7 && (count - 2) % 5 == 0 && kWhat.count(words[1]) == 1, "stress WHAT (PLAN PIXELS HEIGHT WIDTH LOGITS)...");
  Cases cases;
  for (char** word = words + 2; word < words + count; word += 5) {
    const auto side = [](const char* text) { return static_cast<std::uint32_t>(std::atoi(text)); };
    cases.push_back({contents(word[0]), contents(word[1]), side(word[2]), side(word[3]), contents(word[4])});
  }
  kWhat.at(words[1])(cases);
}
