// The calling thread's time for a pass of 256 decoding sequences: asking the cache where they are,
// plan_prepare, and plan_run with new keys and values for each of 32 layers.
#ifndef VATTENTION_BENCH_NATIVE_CPU_BENCH_H_
#define VATTENTION_BENCH_NATIVE_CPU_BENCH_H_

#include "bench/native/backends.h"
#include "bench/native/json.h"
#include "bench/native/kv_place.h"

namespace vattention::bench {

// Writes an object of raw samples, of so many passes.
void MeasureCpu(const Backend& backend, int passes, const Noise& noise, Json* json);

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_CPU_BENCH_H_
