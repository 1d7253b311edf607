#include "ops/cpu/bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "ops/cpu/aligned_buffer.h"
#include "ops/cpu/rows.h"

namespace vattention::ops {
namespace {

constexpr int kRepetitions = 5;

#if defined(__linux__)
// The CPU quota of the cgroup in cores; 0 when there is none.
double CgroupCores() {
  double quota = 0;
  double period = 0;
  if (FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    const int found = std::fscanf(file, "%lf %lf", &quota, &period);
    std::fclose(file);
    return found == 2 && period > 0 ? quota / period : 0;
  }
  const auto read = [](const char* path, double* value) {
    FILE* file = std::fopen(path, "r");
    if (file == nullptr) return false;
    const bool ok = std::fscanf(file, "%lf", value) == 1;
    std::fclose(file);
    return ok;
  };
  if (read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota) &&
      read("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period) && quota > 0 && period > 0) {
    return quota / period;
  }
  return 0;
}
#endif

}  // namespace

int AvailableCores() {
  int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  if (const double quota = CgroupCores(); quota > 0) {
    cores = std::clamp(static_cast<int>(quota + 0.5), 1, cores);
  }
#endif
  return cores;
}

Status MeasureReadBandwidth(uint64_t bytes, int threads, double* bytes_per_second) {
  if (threads < 1 || bytes < 64 * static_cast<uint64_t>(threads)) {
    return Error(VATTN_INVALID_ARGUMENT,
                 "Expected at least one thread and 64 bytes for each, received %d and %llu.",
                 threads, static_cast<unsigned long long>(bytes));
  }
  const size_t share = bytes / sizeof(float) / static_cast<size_t>(threads);
  AlignedBuffer<float> memory;
  try {
    memory = AlignedBuffer<float>(share * static_cast<size_t>(threads));
  } catch (const std::bad_alloc&) {
    return Error(VATTN_OUT_OF_MEMORY, "Measuring needs %llu bytes that are not available.",
                 static_cast<unsigned long long>(bytes));
  }
  double best = 0;
  std::atomic<float> sink = 0;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    std::atomic<int> ready = 0;
    std::atomic<bool> go = false;
    std::vector<std::thread> readers;
    for (int t = 0; t < threads; ++t) {
      readers.emplace_back([&, t] {
        ++ready;
        while (!go.load(std::memory_order_acquire)) std::this_thread::yield();
        const float* from = memory.data() + static_cast<size_t>(t) * share;
        // A sum that somebody reads cannot be left out.
        sink.store(SumFloats(from, static_cast<int64_t>(share)), std::memory_order_relaxed);
      });
    }
    while (ready.load() < threads) std::this_thread::yield();
    const auto start = std::chrono::steady_clock::now();
    go.store(true, std::memory_order_release);
    for (std::thread& reader : readers) reader.join();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(memory.bytes()) / elapsed.count());
  }
  *bytes_per_second = best;
  return {};
}

}  // namespace vattention::ops
