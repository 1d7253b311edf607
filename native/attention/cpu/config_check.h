// What a plan can be made for.
#ifndef VATTENTION_ATTENTION_CPU_CONFIG_CHECK_H_
#define VATTENTION_ATTENTION_CPU_CONFIG_CHECK_H_

#include "attention/cpu/problem.h"
#include "vattention/attention.h"

namespace vattention::cpu {

// Head dims are multiples of 8 up to this.
inline constexpr int32_t kMaxHeadDim = 512;
// Positions are 32-bit integers with room for differences.
inline constexpr int64_t kMaxLength = int64_t{1} << 30;

// Checks `config` and `limits` and fills `problem` from them. VATTN_INVALID_ARGUMENT for values
// that make no sense, VATTN_UNSUPPORTED for what this backend cannot do.
vattn_status CheckConfig(const vattn_config* config, const vattn_limits* limits, Problem* problem,
                         vattn_error* error);

// Whether a cache looks as the plan's configuration says.
vattn_status CheckView(const Problem& problem, const vattn_cache_view* view, vattn_error* error);

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_CONFIG_CHECK_H_
