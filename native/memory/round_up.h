// Rounding of sizes.
#ifndef VATTENTION_NATIVE_MEMORY_ROUND_UP_H_
#define VATTENTION_NATIVE_MEMORY_ROUND_UP_H_

#include <cstdint>

namespace vattention {

// The least multiple of `unit` that is not below `value`. The sum must not overflow.
constexpr uint64_t RoundUp(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_ROUND_UP_H_
