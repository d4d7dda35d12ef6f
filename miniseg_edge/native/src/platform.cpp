#include "platform.h"

#include <memory>

#include "refusal.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#elif defined(__wasm__)
#include <cstdlib>
#include <cstring>
#include <limits>
#else
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#endif

namespace miniseg {

#if defined(_WIN32)

std::uint64_t process_id() { return GetCurrentProcessId(); }

void sleep_while(const std::atomic<int>& counter, int value) {
  while (counter.load(std::memory_order_acquire) == value) {
    WaitOnAddress(const_cast<std::atomic<int>*>(&counter), &value, sizeof value, INFINITE);
  }
}

void wake_all(std::atomic<int>& counter) { WakeByAddressAll(&counter); }

namespace {

DWORD WINAPI thread_main(void* argument) {
  const std::unique_ptr<std::function<void()>> work(static_cast<std::function<void()>*>(argument));
  (*work)();
  return 0;
}

}  // namespace

void Thread::start(int, std::function<void()> work) {
  auto argument = std::make_unique<std::function<void()>>(std::move(work));
  const HANDLE handle = CreateThread(nullptr, 0, thread_main, argument.get(), 0, nullptr);
  if (handle == nullptr) throw Refusal(MINISEG_THREADS, "the host gives no more threads");
  argument.release();
  handle_ = reinterpret_cast<std::uintptr_t>(handle);
}

void Thread::join() {
  const HANDLE handle = reinterpret_cast<HANDLE>(handle_);
  WaitForSingleObject(handle, INFINITE);
  CloseHandle(handle);
}

void* take_pages(std::uint64_t bytes) {
  return VirtualAlloc(nullptr, static_cast<std::size_t>(bytes), MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void give_pages_back(void* pages, std::uint64_t) { VirtualFree(pages, 0, MEM_RELEASE); }

#elif defined(__wasm__)

// There is one thread, so none sleeps.
void sleep_while(const std::atomic<int>&, int) {}

void wake_all(std::atomic<int>&) {}

std::uint64_t process_id() { return 1; }

void Thread::start(int, std::function<void()>) { throw Refusal(MINISEG_THREADS, "WebAssembly has one thread"); }

void Thread::join() {}

void* take_pages(std::uint64_t bytes) {
  constexpr std::size_t kPage = 65536;
  if (bytes > std::numeric_limits<std::size_t>::max() - kPage) return nullptr;
  const std::size_t whole = (static_cast<std::size_t>(bytes) + kPage - 1) / kPage * kPage;
  void* pages = std::aligned_alloc(kPage, whole);
  if (pages != nullptr) std::memset(pages, 0, whole);
  return pages;
}

void give_pages_back(void* pages, std::uint64_t) { std::free(pages); }

#else

std::uint64_t process_id() { return static_cast<std::uint64_t>(getpid()); }

void sleep_while(const std::atomic<int>& counter, int value) { counter.wait(value, std::memory_order_acquire); }

void wake_all(std::atomic<int>& counter) { counter.notify_all(); }

namespace {

struct Start {
  int number;
  std::function<void()> work;
};

void* thread_main(void* argument) {
  const std::unique_ptr<Start> start(static_cast<Start*>(argument));
  char name[16];
  std::snprintf(name, sizeof name, "miniseg-%d", start->number);
#if defined(__APPLE__)
  pthread_setname_np(name);
#else
  pthread_setname_np(pthread_self(), name);
#endif
  start->work();
  return nullptr;
}

}  // namespace

void Thread::start(int number, std::function<void()> work) {
  auto start = std::make_unique<Start>(Start{number, std::move(work)});
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // threads inherit the mask
  pthread_t handle{};
  const int failed = pthread_create(&handle, nullptr, thread_main, start.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed != 0) throw Refusal(MINISEG_THREADS, "the host gives no more threads");
  start.release();
  handle_ = (std::uintptr_t)handle;
}

void Thread::join() { pthread_join((pthread_t)handle_, nullptr); }

void* take_pages(std::uint64_t bytes) {
  void* pages = mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
#if defined(MADV_HUGEPAGE)
  madvise(pages, static_cast<std::size_t>(bytes), MADV_HUGEPAGE);  // fewer misses of the address cache; a wish only
#endif
  return pages;
}

void give_pages_back(void* pages, std::uint64_t bytes) { munmap(pages, static_cast<std::size_t>(bytes)); }

#endif

}  // namespace miniseg
