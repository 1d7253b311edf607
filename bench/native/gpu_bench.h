// The GPU's time of our launches beside upstream's own, and over mapped pages beside cudaMalloc.
#ifndef VATTENTION_BENCH_NATIVE_GPU_BENCH_H_
#define VATTENTION_BENCH_NATIVE_GPU_BENCH_H_

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "attention/cuda/device_buffer.h"
#include "bench/native/backends.h"
#include "bench/native/json.h"
#include "bench/native/kv_place.h"

namespace vattention::bench {

struct GpuCase {
  const char* name;
  bool prefill;
  KvShape shape;
  int launches;  // of a sample: long enough that the clock's resolution does not matter
};

inline constexpr GpuCase kGpuCases[] = {
    {"prefill 16K", true, {4, 1, 16384}, 4},
    {"decode 16x16K", false, {4, 16, 16384}, 32},
    {"decode 64x4K", false, {4, 64, 4096}, 32},
};

// Whether the backend has kernels of its own for it.
inline bool Serves(const Backend& backend, const GpuCase& one) {
  return backend.block_tokens == 0 || !one.prefill;
}

class GpuBench {
 public:
  struct Limits {
    int rounds;
    double seconds;  // fewer rounds then, five at the least
  };

  // Writes to `json`, and orders by `seed`.
  GpuBench(const Limits& limits, const Noise& noise, uint64_t seed, Json* json);

  // Measures upstream's launcher ("raw"), and ours over each place for keys and values, in shuffled
  // rounds: an object of raw samples. Throws Failure when they compute different things.
  void Run(const GpuCase& one, const Backend& backend);

 private:
  struct Subject {
    std::string name;
    std::function<void(int32_t layer)> launch;
  };

  void Compare(const std::vector<Subject>& subjects, const attention::cuda::DeviceBuffer& output);
  void Measure(const GpuCase& one, const std::vector<Subject>& subjects);

  const Limits limits_;
  const Noise& noise_;
  Json& json_;
  std::mt19937_64 random_;
  const attention::cuda::DeviceBuffer flush_;
  int multiprocessors_ = 0;
};

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_GPU_BENCH_H_
