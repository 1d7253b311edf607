// What the calling thread takes for passes and calls of the CPU's backend.
#ifndef VATTENTION_BENCH_NATIVE_HOST_OVERHEAD_H_
#define VATTENTION_BENCH_NATIVE_HOST_OVERHEAD_H_

#include <cstdint>
#include <string>

#include "bench/native/host_attention.h"
#include "bench/native/json.h"

namespace vattention::bench {

struct HostOverhead {
  HostShape shape;
  int32_t sequences = 4;
  int32_t length = 8;  // of each
  int passes = 1200;
  int calls = 20000;  // of a sample
  int samples = 20;
  uint64_t seed = 20240507;
};

// Both write an object of raw samples, and throw Failure for a cache that is not measured (see
// HostCache) and for wrong results.
void MeasurePasses(const HostOverhead& overhead, const std::string& cache_name, Json* json);
// Of so many sequences without new tokens.
void MeasureCalls(const HostOverhead& overhead, const std::string& cache_name, int32_t sequences,
                  Json* json);

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_HOST_OVERHEAD_H_
