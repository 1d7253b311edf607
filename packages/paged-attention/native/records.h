// C structs as numbers, in the order of their fields and without `size`: what TypeScript reads from
// typed arrays instead of objects.
#ifndef VATTENTION_PAGED_ATTENTION_RECORDS_H_
#define VATTENTION_PAGED_ATTENTION_RECORDS_H_

#include <napi.h>

#include <cstddef>
#include <vector>

#include "vattention/paged_cache.h"

namespace vattention::paged_attention {

// outcome, limit, driver calls, mapped, needed, pending, evictable bytes.
inline constexpr size_t kStepNumbers = 7;
void WriteStepResult(const vattn_step_result& result, double* to);

// vattn_cache_stats after `size`: 30 numbers and the histogram.
inline constexpr size_t kStatsNumbers = 30 + 40;
void WriteStats(const vattn_cache_stats& stats, double* to);

// kind, slot, thread, start, duration, bytes, count.
inline constexpr size_t kEventNumbers = 7;
Napi::Float64Array EventNumbers(Napi::Env env, const std::vector<vattn_event>& events);

// { data, shape, strides }
Napi::Object TensorObject(Napi::Env env, const vattn_tensor& tensor);

}  // namespace vattention::paged_attention

#endif  // VATTENTION_PAGED_ATTENTION_RECORDS_H_
