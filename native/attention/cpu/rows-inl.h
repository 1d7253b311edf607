// Rows in and out: packing queries, merging states, storing outputs, converting dtypes.
// Included once per target: see kernels.cc.
#if defined(VATTENTION_ATTENTION_CPU_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VATTENTION_ATTENTION_CPU_ROWS_INL_H_
#undef VATTENTION_ATTENTION_CPU_ROWS_INL_H_
#else
#define VATTENTION_ATTENTION_CPU_ROWS_INL_H_
#endif

#include "attention/cpu/stage-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vattention::cpu {
namespace HWY_NAMESPACE {

// kPair elements of any dtype in natural order, zeros past `count`.
HWY_INLINE void LoadNatural(const char* from, int32_t dtype, size_t count, VF& a, VF& b) {
  const DF d;
  if (dtype == VATTN_BFLOAT16) {
    VF even, odd;
    LoadBfloat16::PairN(reinterpret_cast<const uint16_t*>(from), count, even, odd);
    a = hn::InterleaveWholeLower(d, even, odd);
    b = hn::InterleaveWholeUpper(d, even, odd);
  } else if (dtype == VATTN_FLOAT16) {
    LoadFloat16::PairN(reinterpret_cast<const uint16_t*>(from), count, a, b);
  } else {
    LoadFloat32::PairN(reinterpret_cast<const float*>(from), count, a, b);
  }
}

// Rounds to nearest, ties to even; NaN stays NaN.
HWY_INLINE void StoreBfloat16(VF value, uint16_t* to, size_t count) {
  const DU32 du;
  const DU16Half dh;
  const auto bits = hn::BitCast(du, value);
  const auto tie = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::Add(bits, hn::Add(tie, hn::Set(du, 0x7FFFu)));
  const auto quiet = hn::Or(bits, hn::Set(du, 0x400000u));
  const auto is_nan = hn::RebindMask(du, hn::IsNaN(value));
  const auto top = hn::ShiftRight<16>(hn::IfThenElse(is_nan, quiet, rounded));
  hn::StoreN(hn::TruncateTo(dh, top), dh, to, count);
}

// Stores `count` <= kLanes natural elements.
HWY_INLINE void StoreNatural(VF value, int32_t dtype, size_t count, char* to) {
  const DF d;
  if (dtype == VATTN_BFLOAT16) {
    StoreBfloat16(value, reinterpret_cast<uint16_t*>(to), count);
  } else if (dtype == VATTN_FLOAT16) {
    const DF16Half dh;
    const DU16Half du;
    hn::StoreN(hn::BitCast(du, hn::DemoteTo(dh, value)), du, reinterpret_cast<uint16_t*>(to),
               count);
  } else {
    hn::StoreN(value, d, reinterpret_cast<float*>(to), count);
  }
}

HWY_INLINE void StorePair(VF a, VF b, int32_t dtype, size_t count, char* to) {
  StoreNatural(a, dtype, HWY_MIN(count, kLanes), to);
  if (count > kLanes) {
    StoreNatural(b, dtype, count - kLanes, to + kLanes * ElementBytes(dtype));
  }
}

void PackQuery(const char* row, int32_t dtype, int32_t cache_dtype, int32_t dim, int32_t pad,
               float* packed) {
  const DF d;
  const auto bytes = static_cast<size_t>(ElementBytes(dtype));
  for (size_t e = 0; e < static_cast<size_t>(pad); e += kPair) {
    VF a = hn::Zero(d);
    VF b = a;
    if (e < static_cast<size_t>(dim)) {
      LoadNatural(row + e * bytes, dtype, HWY_MIN(dim - e, kPair), a, b);
      if (cache_dtype == VATTN_BFLOAT16) {
        const VF even = hn::ConcatEven(d, b, a);
        b = hn::ConcatOdd(d, b, a);
        a = even;
      }
    }
    hn::StoreU(a, d, packed + e);
    hn::StoreU(b, d, packed + e + kLanes);
  }
}

void MergeStates(int32_t rows, int32_t value_pad, const State& split, const State& state) {
  const DF d;
  const float none = -std::numeric_limits<float>::infinity();
  const auto pad = static_cast<size_t>(value_pad);
  for (int32_t r = 0; r < rows; ++r) {
    if (split.maximum[r] == none) continue;
    const float* HWY_RESTRICT from = split.values + r * pad;
    float* HWY_RESTRICT to = state.values + r * pad;
    if (state.maximum[r] == none) {
      state.maximum[r] = split.maximum[r];
      state.sum[r] = split.sum[r];
      std::memcpy(to, from, pad * sizeof(float));
      continue;
    }
    const float top = HWY_MAX(state.maximum[r], split.maximum[r]);
    const float keep = ExpNonPositive1(state.maximum[r] - top);
    const float gain = ExpNonPositive1(split.maximum[r] - top);
    state.maximum[r] = top;
    state.sum[r] = state.sum[r] * keep + split.sum[r] * gain;
    const VF vkeep = hn::Set(d, keep);
    const VF vgain = hn::Set(d, gain);
    for (size_t e = 0; e < pad; e += kLanes) {
      const VF kept = hn::Mul(hn::LoadU(d, to + e), vkeep);
      hn::StoreU(hn::MulAdd(hn::LoadU(d, from + e), vgain, kept), d, to + e);
    }
  }
}

void StoreOutput(const float* values, float sum, int32_t cache_dtype, int32_t dim, int32_t dtype,
                 char* output) {
  const DF d;
  const VF divisor = hn::Set(d, sum == 0 ? 1.0f : sum);
  const auto bytes = static_cast<size_t>(ElementBytes(dtype));
  for (size_t e = 0; e < static_cast<size_t>(dim); e += kPair) {
    VF a = hn::Zero(d);
    VF b = a;
    if (sum != 0) {
      a = hn::Div(hn::LoadU(d, values + e), divisor);
      b = hn::Div(hn::LoadU(d, values + e + kLanes), divisor);
      if (cache_dtype == VATTN_BFLOAT16) {
        const VF lower = hn::InterleaveWholeLower(d, a, b);
        b = hn::InterleaveWholeUpper(d, a, b);
        a = lower;
      }
    }
    StorePair(a, b, dtype, HWY_MIN(dim - e, kPair), output + e * bytes);
  }
}

void Convert(const char* from, int32_t from_dtype, char* to, int32_t to_dtype, int32_t count) {
  const auto from_bytes = static_cast<size_t>(ElementBytes(from_dtype));
  const auto to_bytes = static_cast<size_t>(ElementBytes(to_dtype));
  if (from_dtype == to_dtype) {
    std::memcpy(to, from, from_bytes * count);
    return;
  }
  for (size_t e = 0; e < static_cast<size_t>(count); e += kPair) {
    const size_t left = HWY_MIN(count - e, kPair);
    VF a, b;
    LoadNatural(from + e * from_bytes, from_dtype, left, a, b);
    StorePair(a, b, to_dtype, left, to + e * to_bytes);
  }
}

void Weigh(const char* const* partials, const int32_t* dtypes, const float* weights, int32_t count,
           int32_t dim, int32_t dtype, char* output) {
  const DF d;
  const auto bytes = static_cast<size_t>(ElementBytes(dtype));
  for (size_t e = 0; e < static_cast<size_t>(dim); e += kPair) {
    const size_t left = HWY_MIN(dim - e, kPair);
    VF sum_a = hn::Zero(d);
    VF sum_b = sum_a;
    for (int32_t i = 0; i < count; ++i) {
      if (weights[i] == 0) continue;  // an empty partial may hold anything
      VF a, b;
      LoadNatural(partials[i] + e * ElementBytes(dtypes[i]), dtypes[i], left, a, b);
      const VF weight = hn::Set(d, weights[i]);
      sum_a = hn::MulAdd(weight, a, sum_a);
      sum_b = hn::MulAdd(weight, b, sum_b);
    }
    StorePair(sum_a, sum_b, dtype, left, output + e * bytes);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace vattention::cpu
HWY_AFTER_NAMESPACE();

#endif  // VATTENTION_ATTENTION_CPU_ROWS_INL_H_
