// What a plan on the CPU computes.
#ifndef VATTENTION_ATTENTION_CPU_PROBLEM_H_
#define VATTENTION_ATTENTION_CPU_PROBLEM_H_

#include <cstdint>

#include "attention/common/problem.h"

namespace vattention::cpu {

// Head dims are multiples of 8 up to this.
inline constexpr int32_t kMaxHeadDim = 512;

struct Problem : attention::Problem {
  int32_t key_pad;    // shape.head_dim, rounded up to what kernels load at once
  int32_t value_pad;  // shape.value_head_dim, likewise
};

using attention::ElementBytes;

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_PROBLEM_H_
