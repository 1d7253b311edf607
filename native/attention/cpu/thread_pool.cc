#include "attention/cpu/thread_pool.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace vattention::cpu {

namespace {

// How long one thread watches for another before it sleeps: first without leaving its core, then
// letting others have it. Longer than it takes to wake a sleeper (50 us on a virtual machine): else
// the caller sleeps while its worker wakes up, the worker sleeps while the caller does, and every
// run of a pass takes that long.
constexpr int kSpins = 1000;  // 10 to 50 us: a pause takes some 10 to 50 ns
constexpr std::chrono::microseconds kYields(200);
constexpr uint64_t kCountBits = 16;
constexpr uint64_t kCountMask = (uint64_t{1} << kCountBits) - 1;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether `done` became true while it was watched.
template <typename Done>
bool Watch(const Done& done) {
  for (int i = 0; i < kSpins; ++i) {
    if (done()) return true;
    Pause();
  }
  const auto until = std::chrono::steady_clock::now() + kYields;
  do {
    if (done()) return true;
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int32_t threads, const vattn_executor* executor)
    : threads_(executor != nullptr ? executor->threads
               : threads > 0       ? threads
                             : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))),
      executor_(executor) {
  if (executor_ != nullptr) return;
  workers_.reserve(static_cast<size_t>(threads_ - 1));
  try {
    for (int32_t i = 1; i < threads_; ++i) workers_.emplace_back(&ThreadPool::Work, this, i);
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(int32_t count, Task task, void* argument) {
  if (executor_ != nullptr && count > 1) {
    executor_->parallel_for(executor_->context, count, task, argument);
    return;
  }
  if (count <= 1) {
    task(argument, 0);
    return;
  }
  task_ = task;
  argument_ = argument;
  pending_.store(count - 1, std::memory_order_relaxed);
  const uint64_t number = (run_.load(std::memory_order_relaxed) >> kCountBits) + 1;
  {
    // Under the lock, so that no worker falls asleep between its last look and the notification.
    const std::lock_guard lock(mutex_);
    run_.store(number << kCountBits | static_cast<uint64_t>(count), std::memory_order_release);
  }
  wake_.notify_all();
  task(argument, 0);
  const auto done = [this] { return pending_.load(std::memory_order_acquire) == 0; };
  if (Watch(done)) return;
  std::unique_lock lock(mutex_);
  done_.wait(lock, done);
}

// The first run after `seen` that has an index for this worker; 0 when the pool stops.
uint64_t ThreadPool::AwaitRun(uint64_t seen, int32_t index) {
  uint64_t run = 0;
  const auto concerned = [&] {
    run = run_.load(std::memory_order_acquire);
    return run != seen && static_cast<uint64_t>(index) < (run & kCountMask);
  };
  if (Watch(concerned)) return run;
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return concerned() || stop_; });
  return stop_ ? 0 : run;
}

void ThreadPool::Work(int32_t index) {
  uint64_t seen = 0;
  while ((seen = AwaitRun(seen, index)) != 0) {
    task_(argument_, index);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      // The caller may be between its last look and its wait: the lock orders the two.
      {
        const std::lock_guard lock(mutex_);
      }
      done_.notify_one();
    }
  }
}

}  // namespace vattention::cpu
