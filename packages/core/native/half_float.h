// Small floats to and from float. Written plainly: reading and writing tensors from JavaScript is
// for tests, examples and backends in TypeScript, not for kernels.
#ifndef VATTENTION_CORE_HALF_FLOAT_H_
#define VATTENTION_CORE_HALF_FLOAT_H_

#include <bit>
#include <cmath>
#include <cstdint>

namespace vattention::core {

inline float FromBfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// To nearest even; a NaN stays one.
inline uint16_t ToBfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// A float with `Exponent` and `Mantissa` bits after its sign; its largest exponent stands for
// infinities and NaNs unless `Finite`, where only all ones is a NaN (float8 e4m3).
template <int Exponent, int Mantissa, bool Finite>
struct SmallFloat {
  static constexpr int kBias = (1 << (Exponent - 1)) - 1;
  static constexpr uint32_t kExponentMask = (1u << Exponent) - 1;
  static constexpr uint32_t kMantissaMask = (1u << Mantissa) - 1;
  static constexpr uint32_t kSign = 1u << (Exponent + Mantissa);
  static constexpr uint32_t kNan =
      Finite ? kSign - 1 : kExponentMask << Mantissa | 1u << (Mantissa - 1);
  // The largest finite value, as bits.
  static constexpr uint32_t kLargest = Finite ? kSign - 2 : (kExponentMask << Mantissa) - 1;

  static float From(uint32_t bits) {
    const float sign = (bits & kSign) != 0 ? -1.0f : 1.0f;
    const uint32_t exponent = bits >> Mantissa & kExponentMask;
    const uint32_t mantissa = bits & kMantissaMask;
    if constexpr (Finite) {
      if ((bits & (kSign - 1)) == kNan) return std::nanf("");
    } else if (exponent == kExponentMask) {
      return mantissa != 0 ? std::nanf("") : sign * INFINITY;
    }
    const int scale = (exponent == 0 ? 1 : static_cast<int>(exponent)) - kBias - Mantissa;
    const uint32_t whole = exponent == 0 ? mantissa : mantissa | 1u << Mantissa;
    return sign * std::ldexp(static_cast<float>(whole), scale);
  }

  // To nearest even. Too large: infinity, or NaN where there is none.
  static uint32_t To(float value) {
    const uint32_t sign = std::signbit(value) ? kSign : 0;
    if (std::isnan(value)) return sign | kNan;
    const uint32_t infinity = Finite ? kNan : kExponentMask << Mantissa;
    const float magnitude = std::abs(value);
    if (std::isinf(magnitude)) return sign | infinity;
    if (magnitude == 0.0f) return sign;
    int exponent = std::ilogb(magnitude);
    if (exponent < 1 - kBias) exponent = 1 - kBias;  // a subnormal
    // In units of the last place: a float holds it exactly, and nearbyint rounds to even.
    const float units = std::nearbyint(std::ldexp(magnitude, Mantissa - exponent));
    // A carry into the exponent, or out of the subnormals, is what adding does.
    const uint32_t bits =
        (static_cast<uint32_t>(exponent - 1 + kBias) << Mantissa) + static_cast<uint32_t>(units);
    return sign | (bits > kLargest ? infinity : bits);
  }
};

using Float16 = SmallFloat<5, 10, false>;
using Float8E4M3 = SmallFloat<4, 3, true>;

}  // namespace vattention::core

#endif  // VATTENTION_CORE_HALF_FLOAT_H_
