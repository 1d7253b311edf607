#include "records.h"

#include <algorithm>

namespace vattention::paged_attention {

void WriteStepResult(const vattn_step_result& result, double* to) {
  *to++ = result.outcome;
  *to++ = result.limit;
  *to++ = result.driver_calls;
  *to++ = static_cast<double>(result.mapped_bytes);
  *to++ = static_cast<double>(result.needed_bytes);
  *to++ = static_cast<double>(result.pending_bytes);
  *to++ = static_cast<double>(result.evictable_bytes);
}

void WriteStats(const vattn_cache_stats& stats, double* to) {
  *to++ = stats.live_sequences;
  const uint64_t* first = &stats.reserved_bytes;
  const uint64_t* end = stats.step_ns_histogram + std::size(stats.step_ns_histogram);
  static_assert(offsetof(vattn_cache_stats, step_ns_histogram) -
                        offsetof(vattn_cache_stats, reserved_bytes) ==
                    29 * sizeof(uint64_t),
                "every field between live_sequences and the histogram is one uint64_t");
  std::transform(first, end, to, [](uint64_t value) { return static_cast<double>(value); });
}

Napi::Float64Array EventNumbers(Napi::Env env, const std::vector<vattn_event>& events) {
  auto numbers = Napi::Float64Array::New(env, events.size() * kEventNumbers);
  double* out = numbers.Data();
  for (const vattn_event& event : events) {
    *out++ = event.kind;
    *out++ = event.slot;
    *out++ = event.thread;
    *out++ = static_cast<double>(event.start_ns);
    *out++ = static_cast<double>(event.duration_ns);
    *out++ = static_cast<double>(event.bytes);
    *out++ = static_cast<double>(event.count);
  }
  return numbers;
}

Napi::Object TensorObject(Napi::Env env, const vattn_tensor& tensor) {
  const auto rank = static_cast<uint32_t>(tensor.rank);
  auto shape = Napi::Array::New(env, rank);
  auto strides = Napi::Array::New(env, rank);
  for (uint32_t i = 0; i < rank; ++i) {
    shape.Set(i, static_cast<double>(tensor.shape[i]));
    strides.Set(i, static_cast<double>(tensor.stride[i]));
  }
  auto object = Napi::Object::New(env);
  object.Set("data", Napi::BigInt::New(
                         env, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(tensor.data))));
  object.Set("shape", shape);
  object.Set("strides", strides);
  return object;
}

}  // namespace vattention::paged_attention
