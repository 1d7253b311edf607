// Conversions between element types, written apart from the ones under test.
#ifndef VATTENTION_NATIVE_TESTS_ATTENTION_CPU_ELEMENTS_H_
#define VATTENTION_NATIVE_TESTS_ATTENTION_CPU_ELEMENTS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "vattention/device.h"

namespace vattention::testing {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

inline size_t Bytes(int32_t dtype) { return dtype == VATTN_FLOAT32 ? 4 : 2; }

inline uint16_t ToBfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  const uint32_t lower = bits & 0xFFFF;
  uint32_t upper = bits >> 16;
  if (lower > 0x8000 || (lower == 0x8000 && (upper & 1) != 0)) ++upper;
  return static_cast<uint16_t>(upper);
}

inline float FromBfloat16(uint16_t half) {
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline float FromFloat16(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  float value;
  if (exponent == 31) {
    value = mantissa == 0 ? kInfinity : std::nanf("");
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(mantissa), -24);
  } else {
    value = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

inline uint16_t ToFloat16(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return sign | 0x7E00;
  const float magnitude = std::fabs(value);
  if (magnitude >= 65520.0f) return sign | 0x7C00;
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  const int unit = std::max(exponent - 11, -24);  // of the last place
  const double scaled = std::nearbyint(std::ldexp(static_cast<double>(magnitude), -unit));
  const int rounded = static_cast<int>(scaled);  // 0..2048
  if (rounded == 0) return sign;
  if (unit == -24) return static_cast<uint16_t>(sign | rounded);  // carries into the exponent
  return static_cast<uint16_t>(sign + ((unit + 24) << 10) + rounded);
}

inline float FromHalf(uint16_t half, int32_t dtype) {
  return dtype == VATTN_BFLOAT16 ? FromBfloat16(half) : FromFloat16(half);
}

inline float Load(const void* data, int32_t dtype) {
  if (dtype == VATTN_FLOAT32) {
    float value;
    std::memcpy(&value, data, 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, data, 2);
  return FromHalf(half, dtype);
}

inline void Store(float value, int32_t dtype, void* data) {
  if (dtype == VATTN_FLOAT32) {
    std::memcpy(data, &value, 4);
    return;
  }
  const uint16_t half = dtype == VATTN_BFLOAT16 ? ToBfloat16(value) : ToFloat16(value);
  std::memcpy(data, &half, 2);
}

inline float Round(float value, int32_t dtype) {
  char data[4];
  Store(value, dtype, data);
  return Load(data, dtype);
}

// Many at once, from dense to dense (attention_cpu_reference.cc).
void StoreAll(const float* from, int64_t count, int32_t dtype, void* to);
void LoadAll(const void* from, int64_t count, int32_t dtype, float* to);

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_ATTENTION_CPU_ELEMENTS_H_
