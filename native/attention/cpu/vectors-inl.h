// Vector helpers: unrolling, loading two vectors of floats from any dtype, exp.
// Included once per target: see kernels.cc.
#if defined(VATTENTION_ATTENTION_CPU_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VATTENTION_ATTENTION_CPU_VECTORS_INL_H_
#undef VATTENTION_ATTENTION_CPU_VECTORS_INL_H_
#else
#define VATTENTION_ATTENTION_CPU_VECTORS_INL_H_
#endif

#include <limits>
#include <utility>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace vattention::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
using MF = hn::Mask<DF>;
using DU32 = hn::Rebind<uint32_t, DF>;
using DU16 = hn::Repartition<uint16_t, DF>;  // as many bytes as DF: twice the lanes
using DU16Half = hn::Rebind<uint16_t, DF>;   // as many lanes as DF
using DF16Half = hn::Rebind<hwy::float16_t, DF>;

// Lanes are a constant on every target that kernels.cc enables (no SVE, no RVV), so vectors may be
// kept in arrays.
inline constexpr size_t kLanes = HWY_MAX_BYTES / sizeof(float);
inline constexpr size_t kPair = 2 * kLanes;
static_assert(kLanes <= static_cast<size_t>(kMaxLanes), "scratch is sized for kMaxLanes");
static_assert(kPadElements % kPair == 0, "padded rows are whole pairs of vectors");

// Calls f(0), ..., f(N - 1) with constant indices. A loop over an array of vectors would keep the
// array in memory: GCC unrolls too late to split it into registers.
template <size_t... kIndices, class F>
HWY_INLINE void UnrollIndices(std::index_sequence<kIndices...>, F&& f) {
  (f(std::integral_constant<size_t, kIndices>{}), ...);
}
template <size_t kCount, class F>
HWY_INLINE void Unroll(F&& f) {
  UnrollIndices(std::make_index_sequence<kCount>{}, f);
}
#define VATTN_UNROLL(i) [&](auto i) HWY_ATTR __attribute__((always_inline))

// float16 -> float32, exact, Infinity and NaN included (Highway's emulation leaves those out).
HWY_INLINE VF PromoteF16(const uint16_t* HWY_RESTRICT from, size_t count) {
  const DF d;
  const DF16Half dh;
  const DU16Half du16;
  const auto bits = hn::LoadN(du16, from, count);
#if HWY_TARGET == HWY_SSE2
  const DU32 du;
  const auto wide = hn::PromoteTo(du, bits);
  const auto magnitude = hn::ShiftLeft<13>(hn::And(wide, hn::Set(du, 0x7FFFu)));
  const auto sign = hn::ShiftLeft<16>(hn::And(wide, hn::Set(du, 0x8000u)));
  // 2^112 moves the exponent's bias, and makes normal numbers of subnormal ones.
  const auto scaled =
      hn::BitCast(du, hn::Mul(hn::BitCast(d, magnitude), hn::Set(d, 5.192296858534828e33f)));
  const auto special = hn::Ge(magnitude, hn::Set(du, 0x0F800000u));
  const auto finite = hn::Or(scaled, hn::IfThenElseZero(special, hn::Set(du, 0x7F800000u)));
  (void)dh;
  return hn::BitCast(d, hn::Or(finite, sign));
#else
  return hn::PromoteTo(d, hn::BitCast(dh, bits));
#endif
}

// Loaders turn kPair consecutive elements into two vectors of floats. `kInterleaved`: the first
// vector gets the elements of even index and the second the odd ones (cheapest for bfloat16),
// otherwise the first and the second half. Packed rows keep that order throughout.
struct LoadFloat32 {
  using Element = float;
  static constexpr bool kInterleaved = false;
  static HWY_INLINE void Pair(const Element* HWY_RESTRICT from, VF& a, VF& b) {
    const DF d;
    a = hn::LoadU(d, from);
    b = hn::LoadU(d, from + kLanes);
  }
  static HWY_INLINE void PairN(const Element* HWY_RESTRICT from, size_t count, VF& a, VF& b) {
    const DF d;
    a = hn::LoadN(d, from, HWY_MIN(count, kLanes));
    b = count > kLanes ? hn::LoadN(d, from + kLanes, count - kLanes) : hn::Zero(d);
  }
};

struct LoadFloat16 {
  using Element = uint16_t;
  static constexpr bool kInterleaved = false;
  static HWY_INLINE void Pair(const Element* HWY_RESTRICT from, VF& a, VF& b) {
    PairN(from, kPair, a, b);
  }
  static HWY_INLINE void PairN(const Element* HWY_RESTRICT from, size_t count, VF& a, VF& b) {
    a = PromoteF16(from, HWY_MIN(count, kLanes));
    b = count > kLanes ? PromoteF16(from + kLanes, count - kLanes) : hn::Zero(DF());
  }
};

struct LoadBfloat16 {
  using Element = uint16_t;
  static constexpr bool kInterleaved = true;
  static HWY_INLINE void Split(hn::Vec<DU16> pairs, VF& a, VF& b) {
    const DF d;
    const DU32 du;
    const auto both = hn::BitCast(du, pairs);
    a = hn::BitCast(d, hn::ShiftLeft<16>(both));
    b = hn::BitCast(d, hn::And(both, hn::Set(du, 0xFFFF0000u)));
  }
  static HWY_INLINE void Pair(const Element* HWY_RESTRICT from, VF& a, VF& b) {
    Split(hn::LoadU(DU16(), from), a, b);
  }
  static HWY_INLINE void PairN(const Element* HWY_RESTRICT from, size_t count, VF& a, VF& b) {
    Split(hn::LoadN(DU16(), from, count), a, b);
  }
};

// Calls f with the loader of a dtype.
template <class F>
HWY_INLINE auto WithLoader(int32_t dtype, F&& f) {
  switch (dtype) {
    case VATTN_FLOAT16:
      return f(LoadFloat16{});
    case VATTN_BFLOAT16:
      return f(LoadBfloat16{});
    default:
      return f(LoadFloat32{});
  }
}

// exp(x) for x <= 0 or NaN, within 2 ulp; exactly 1 at 0; 0 where the result would be subnormal.
HWY_INLINE VF ExpNonPositive(VF x) {
  const DF d;
  const hn::RebindToSigned<DF> di;
  const MF vanishes = hn::Lt(x, hn::Set(d, -87.3f));
  const VF clamped = hn::IfThenElse(vanishes, hn::Zero(d), x);
  const auto n = hn::NearestInt(hn::Mul(clamped, hn::Set(d, 1.44269504088896341f)));
  const VF whole = hn::ConvertTo(d, n);
  // ln 2 in two parts: the first has few bits, so that whole * part is exact.
  VF r = hn::NegMulAdd(whole, hn::Set(d, 0.693359375f), clamped);
  r = hn::NegMulAdd(whole, hn::Set(d, -2.12194440e-4f), r);
  VF p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.0f));
  const VF power = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127))));
  return hn::IfThenZeroElse(vanishes, hn::Mul(p, power));
}

HWY_INLINE float ExpNonPositive1(float x) { return hn::GetLane(ExpNonPositive(hn::Set(DF(), x))); }

// [a0 + a1, a2 + a3, ..., b0 + b1, ...]
HWY_INLINE VF AddNeighbours(VF a, VF b) {
  const DF d;
  return hn::Add(hn::ConcatEven(d, b, a), hn::ConcatOdd(d, b, a));
}

// One stage of a transposition: moves the lowest bit of the lane to the top of the row's index and
// the lowest bit of the row to the top of the lane's. As many stages as a row's index has bits
// exchange the two.
template <size_t kRows>
HWY_INLINE void RotateIndex(const VF (&from)[kRows], VF (&to)[kRows]) {
  const DF d;
  Unroll<kRows / 2>(VATTN_UNROLL(i) {
    to[i] = hn::ConcatEven(d, from[2 * i + 1], from[2 * i]);
    to[i + kRows / 2] = hn::ConcatOdd(d, from[2 * i + 1], from[2 * i]);
  });
}

// log2(kRows) stages.
template <size_t kRows>
HWY_INLINE void RotateRows(VF (&rows)[kRows]) {
  static_assert(kRows == 2 || kRows == 4 || kRows == 8 || kRows == 16, "a power of 2");
  VF turned[kRows];
  RotateIndex(rows, turned);
  if constexpr (kRows >= 4) RotateIndex(turned, rows);
  if constexpr (kRows >= 8) RotateIndex(rows, turned);
  if constexpr (kRows >= 16) RotateIndex(turned, rows);
  if constexpr (kRows == 2 || kRows == 8) {
    Unroll<kRows>(VATTN_UNROLL(i) { rows[i] = turned[i]; });
  }
}

// rows[j] lane i <-> rows[i] lane j.
HWY_INLINE void Transpose(VF (&rows)[kLanes]) { RotateRows(rows); }

// Sums each of kLanes vectors over its lanes: lane j of the result is the sum of sums[j]. Pairs of
// neighbouring lanes are added first, then the pairs one after the other: an order that costs few
// permutations here and few registers where lanes are tokens (PackedScores).
HWY_INLINE VF ReduceRows(const VF (&sums)[kLanes]) {
  VF pairs[kLanes / 2];
  Unroll<kLanes / 2>(VATTN_UNROLL(i) { pairs[i] = AddNeighbours(sums[2 * i], sums[2 * i + 1]); });
  RotateRows(pairs);
  VF sum = hn::Zero(DF());  // as PackedScores begins: 0 + -0 is 0
  Unroll<kLanes / 2>(VATTN_UNROLL(i) { sum = hn::Add(sum, pairs[i]); });
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace vattention::cpu
HWY_AFTER_NAMESPACE();

#endif  // VATTENTION_ATTENTION_CPU_VECTORS_INL_H_
