#include "ops/cpu/rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

// clang-format off: this order matters. What follows is compiled once per instruction set, by
// including this file again.
#include "ops/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/rows.cc"
#include "hwy/foreach_target.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace vattention::ops {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
using DU32 = hn::Rebind<uint32_t, DF>;
using DI32 = hn::RebindToSigned<DF>;
using DU16 = hn::Rebind<uint16_t, DF>;
inline constexpr int64_t kLanes = HWY_MAX_BYTES / sizeof(float);

// Calls f(i, n) for the vectors of `count` elements; n < kLanes only for the last. The loads and
// stores of a partial vector touch nothing beyond.
template <class F>
HWY_INLINE void ForVectors(int64_t count, F&& f) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) f(i, kLanes);
  if (i < count) f(i, count - i);
}
HWY_INLINE VF LoadPart(const float* from, int64_t n) {
  const DF d;
  return n == kLanes ? hn::LoadU(d, from) : hn::LoadN(d, from, static_cast<size_t>(n));
}
HWY_INLINE void StorePart(VF value, int64_t n, float* to) {
  const DF d;
  if (n == kLanes) {
    hn::StoreU(value, d, to);
  } else {
    hn::StoreN(value, d, to, static_cast<size_t>(n));
  }
}

HWY_INLINE auto RoundBits(VF value) {
  const DU32 du;
  const DU16 du16;
  const auto bits = hn::BitCast(du, value);
  const auto tie = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7FFFu)), tie));
  // Rounding up a NaN could make Infinity of it.
  const auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du, 0x40u));
  const auto nan = hn::RebindMask(du, hn::IsNaN(value));
  return hn::TruncateTo(du16, hn::IfThenElse(nan, quiet, rounded));
}
HWY_INLINE void StorePart(VF value, int64_t n, uint16_t* to) {
  const DU16 du16;
  if (n == kLanes) {
    hn::StoreU(RoundBits(value), du16, to);
  } else {
    hn::StoreN(RoundBits(value), du16, to, static_cast<size_t>(n));
  }
}

template <typename T>
HWY_INLINE void Normalize(const float* row, const float* weight, int64_t count, float epsilon,
                          T* to) {
  const DF d;
  VF sum = hn::Zero(d);
  ForVectors(count, [&](int64_t i, int64_t n) HWY_ATTR {
    const VF x = LoadPart(row + i, n);
    sum = hn::MulAdd(x, x, sum);
  });
  const float mean = hn::ReduceSum(d, sum) / static_cast<float>(count);
  const VF factor = hn::Set(d, 1.0f / std::sqrt(mean + epsilon));
  ForVectors(count, [&](int64_t i, int64_t n) HWY_ATTR {
    const VF x = hn::Mul(LoadPart(row + i, n), factor);
    StorePart(hn::Mul(x, LoadPart(weight + i, n)), n, to + i);
  });
}

void NormalizeFloat32(const float* row, const float* weight, int64_t count, float epsilon,
                      float* to) {
  Normalize(row, weight, count, epsilon, to);
}
void NormalizeBfloat16(const float* row, const float* weight, int64_t count, float epsilon,
                       uint16_t* to) {
  Normalize(row, weight, count, epsilon, to);
}

void AddTo(const float* delta, int64_t count, float* row) {
  ForVectors(count, [&](int64_t i, int64_t n) HWY_ATTR {
    StorePart(hn::Add(LoadPart(row + i, n), LoadPart(delta + i, n)), n, row + i);
  });
}

template <typename T>
HWY_INLINE void Gate(const float* gate, const float* up, int64_t count, T* to) {
  const DF d;
  const VF one = hn::Set(d, 1.0f);
  // exp overflows above 88.7; silu(-88) is 0 within float32's range of what follows.
  const VF lowest = hn::Set(d, -88.0f);
  ForVectors(count, [&](int64_t i, int64_t n) HWY_ATTR {
    const VF x = LoadPart(gate + i, n);
    const VF e = hn::Exp(d, hn::Neg(hn::Max(x, lowest)));
    const VF silu = hn::Div(x, hn::Add(one, e));
    StorePart(hn::Mul(silu, LoadPart(up + i, n)), n, to + i);
  });
}
void GateFloat32(const float* gate, const float* up, int64_t count, float* to) {
  Gate(gate, up, count, to);
}
void GateBfloat16(const float* gate, const float* up, int64_t count, uint16_t* to) {
  Gate(gate, up, count, to);
}

void Round(const float* from, int64_t count, uint16_t* to) {
  ForVectors(count,
             [&](int64_t i, int64_t n) HWY_ATTR { StorePart(LoadPart(from + i, n), n, to + i); });
}

void Halves(const float* cosines, const float* sines, int64_t dims, float* head) {
  const int64_t half = dims / 2;
  ForVectors(half, [&](int64_t i, int64_t n) HWY_ATTR {
    const VF a = LoadPart(head + i, n);
    const VF b = LoadPart(head + half + i, n);
    const VF c = LoadPart(cosines + i, n);
    const VF s = LoadPart(sines + i, n);
    StorePart(hn::NegMulAdd(b, s, hn::Mul(a, c)), n, head + i);
    StorePart(hn::MulAdd(a, s, hn::Mul(b, c)), n, head + half + i);
  });
}

void Interleaved(const float* cosines, const float* sines, int64_t dims, float* head) {
  const DF d;
  int64_t i = 0;
  for (; 2 * (i + kLanes) <= dims; i += kLanes) {
    VF a;
    VF b;
    hn::LoadInterleaved2(d, head + 2 * i, a, b);
    const VF c = hn::LoadU(d, cosines + i);
    const VF s = hn::LoadU(d, sines + i);
    hn::StoreInterleaved2(hn::NegMulAdd(b, s, hn::Mul(a, c)), hn::MulAdd(a, s, hn::Mul(b, c)), d,
                          head + 2 * i);
  }
  for (; 2 * i < dims; ++i) {
    const float a = head[2 * i];
    const float b = head[2 * i + 1];
    head[2 * i] = std::fma(-b, sines[i], a * cosines[i]);
    head[2 * i + 1] = std::fma(a, sines[i], b * cosines[i]);
  }
}

LogitStats Scan(const float* logits, int64_t count) {
  const DF d;
  const DI32 di;
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  // Each lane keeps its best, where that was, and its second best.
  VF best = hn::Set(d, kNone);
  VF second = best;
  auto where = hn::Zero(di);
  ForVectors(count, [&](int64_t i, int64_t n) HWY_ATTR {
    VF x = LoadPart(logits + i, n);
    if (n < kLanes) {
      x = hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(n)), x, hn::Set(d, kNone));
    }
    const auto better = hn::Gt(x, best);
    second = hn::Max(second, hn::Min(x, best));
    where = hn::IfThenElse(hn::RebindMask(di, better), hn::Set(di, static_cast<int32_t>(i)), where);
    best = hn::IfThenElse(better, x, best);
  });
  HWY_ALIGN float bests[kLanes];
  HWY_ALIGN float seconds[kLanes];
  HWY_ALIGN int32_t places[kLanes];
  hn::Store(best, d, bests);
  hn::Store(second, d, seconds);
  hn::Store(where, di, places);
  LogitStats stats;
  int64_t lane = 0;
  for (int64_t i = 1; i < kLanes; ++i) {
    const bool earlier = bests[i] == bests[lane] && places[i] + i < places[lane] + lane;
    if (bests[i] > bests[lane] || earlier) lane = i;
  }
  stats.best = places[lane] + static_cast<int32_t>(lane);
  stats.largest = bests[lane];
  stats.second = seconds[lane];
  for (int64_t i = 0; i < kLanes; ++i) {
    if (i != lane) stats.second = std::max(stats.second, bests[i]);
  }

  const VF largest = hn::Set(d, stats.largest);
  VF sum = hn::Zero(d);
  ForVectors(count, [&](int64_t i, int64_t n) HWY_ATTR {
    VF e = hn::Exp(d, hn::Sub(LoadPart(logits + i, n), largest));
    if (n < kLanes) e = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(n)), e);
    sum = hn::Add(sum, e);
  });
  stats.log_sum_exp = stats.largest + std::log(hn::ReduceSum(d, sum));
  return stats;
}

void Weights(const float* logits, int64_t count, float largest, float inverse, float* to) {
  const DF d;
  const VF most = hn::Set(d, largest);
  const VF factor = hn::Set(d, inverse);
  ForVectors(count, [&](int64_t i, int64_t n) HWY_ATTR {
    const VF x = hn::Mul(hn::Sub(LoadPart(logits + i, n), most), factor);
    StorePart(hn::Exp(d, x), n, to + i);
  });
}

float Sum(const float* from, int64_t count) {
  const DF d;
  // Four sums, so that adding never waits for the addition before.
  VF sums[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    sums[0] = hn::Add(sums[0], hn::LoadU(d, from + i));
    sums[1] = hn::Add(sums[1], hn::LoadU(d, from + i + kLanes));
    sums[2] = hn::Add(sums[2], hn::LoadU(d, from + i + 2 * kLanes));
    sums[3] = hn::Add(sums[3], hn::LoadU(d, from + i + 3 * kLanes));
  }
  ForVectors(count - i, [&](int64_t j, int64_t n)
                            HWY_ATTR { sums[0] = hn::Add(sums[0], LoadPart(from + i + j, n)); });
  return hn::ReduceSum(d, hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3])));
}

const char* Target() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace vattention::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vattention::ops {

HWY_EXPORT(NormalizeFloat32);
HWY_EXPORT(NormalizeBfloat16);
HWY_EXPORT(AddTo);
HWY_EXPORT(GateFloat32);
HWY_EXPORT(GateBfloat16);
HWY_EXPORT(Round);
HWY_EXPORT(Halves);
HWY_EXPORT(Interleaved);
HWY_EXPORT(Scan);
HWY_EXPORT(Weights);
HWY_EXPORT(Sum);
HWY_EXPORT(Target);

void RmsNorm(const float* row, const float* weight, int64_t count, float epsilon,
             Precision precision, void* to) {
  if (precision == Precision::kBfloat16) {
    HWY_DYNAMIC_DISPATCH(NormalizeBfloat16)(row, weight, count, epsilon,
                                            static_cast<uint16_t*>(to));
  } else {
    HWY_DYNAMIC_DISPATCH(NormalizeFloat32)(row, weight, count, epsilon, static_cast<float*>(to));
  }
}
void RmsNormFloat32(const float* row, const float* weight, int64_t count, float epsilon,
                    float* to) {
  HWY_DYNAMIC_DISPATCH(NormalizeFloat32)(row, weight, count, epsilon, to);
}
void Add(const float* delta, int64_t count, float* row) {
  HWY_DYNAMIC_DISPATCH(AddTo)(delta, count, row);
}
void SiluMultiply(const float* gate, const float* up, int64_t count, Precision precision,
                  void* to) {
  if (precision == Precision::kBfloat16) {
    HWY_DYNAMIC_DISPATCH(GateBfloat16)(gate, up, count, static_cast<uint16_t*>(to));
  } else {
    HWY_DYNAMIC_DISPATCH(GateFloat32)(gate, up, count, static_cast<float*>(to));
  }
}
void RoundToBfloat16(const float* from, int64_t count, uint16_t* to) {
  HWY_DYNAMIC_DISPATCH(Round)(from, count, to);
}
void RotateHalves(const float* cosines, const float* sines, int64_t dims, float* head) {
  HWY_DYNAMIC_DISPATCH(Halves)(cosines, sines, dims, head);
}
void RotateInterleaved(const float* cosines, const float* sines, int64_t dims, float* head) {
  HWY_DYNAMIC_DISPATCH(Interleaved)(cosines, sines, dims, head);
}
LogitStats ScanLogits(const float* logits, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(Scan)(logits, count);
}
void SoftmaxWeights(const float* logits, int64_t count, float largest, float inverse_temperature,
                    float* to) {
  HWY_DYNAMIC_DISPATCH(Weights)(logits, count, largest, inverse_temperature, to);
}
float SumFloats(const float* from, int64_t count) { return HWY_DYNAMIC_DISPATCH(Sum)(from, count); }
const char* RowKernelsTarget() { return HWY_DYNAMIC_DISPATCH(Target)(); }

}  // namespace vattention::ops
#endif  // HWY_ONCE
