// A plan of a backend's C table, as an engine in C++ drives it.
#ifndef VATTENTION_BENCH_NATIVE_PLANNED_ATTENTION_H_
#define VATTENTION_BENCH_NATIVE_PLANNED_ATTENTION_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "bench/native/kv_place.h"
#include "vattention/attention.h"

namespace vattention::bench {

// A dense tensor [rows, heads, kHeadDim] of bfloat16 on the device.
vattn_tensor RowsTensor(void* data, int64_t rows, int64_t heads);

class PlannedAttention {
 public:
  // `place` outlives it. `query`: new tokens of each sequence.
  PlannedAttention(const vattn_backend& backend, KvPlace* place, uint32_t query);
  ~PlannedAttention() { backend_.plan_destroy(plan_); }
  PlannedAttention(const PlannedAttention&) = delete;
  PlannedAttention& operator=(const PlannedAttention&) = delete;

  void Prepare(cudaStream_t stream);
  // `key` and `value` may be nullptr: they are in the cache.
  void Run(int32_t layer, const vattn_tensor& query, const vattn_tensor* key,
           const vattn_tensor* value, const vattn_tensor& output);

 private:
  const vattn_backend& backend_;
  KvPlace* const place_;
  const uint32_t query_;
  vattn_plan* plan_ = nullptr;
};

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_PLANNED_ATTENTION_H_
