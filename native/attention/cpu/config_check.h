// What a plan on the CPU can be made for.
#ifndef VATTENTION_ATTENTION_CPU_CONFIG_CHECK_H_
#define VATTENTION_ATTENTION_CPU_CONFIG_CHECK_H_

#include "attention/cpu/problem.h"
#include "vattention/attention.h"

namespace vattention::cpu {

// Checks `config` and `limits` and fills `problem` from them. VATTN_INVALID_ARGUMENT for values
// that make no sense, VATTN_UNSUPPORTED for what this backend cannot do.
vattn_status CheckConfig(const vattn_config* config, const vattn_limits* limits, Problem* problem,
                         vattn_error* error);

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_CONFIG_CHECK_H_
