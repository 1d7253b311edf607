// bfloat16: the upper half of a float32.
#ifndef VATTENTION_OPS_CPU_BFLOAT16_H_
#define VATTENTION_OPS_CPU_BFLOAT16_H_

#include <bit>
#include <cstdint>

namespace vattention::ops {

inline float FromBfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// Rounds to nearest, ties to even. NaN stays NaN.
inline uint16_t ToBfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_BFLOAT16_H_
