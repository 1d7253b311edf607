// Softmax within a split: scores become weights exp(score - maximum), with their maximum and sum.
// Included once per target: see kernels.cc.
#if defined(VATTENTION_ATTENTION_CPU_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VATTENTION_ATTENTION_CPU_SOFTMAX_INL_H_
#undef VATTENTION_ATTENTION_CPU_SOFTMAX_INL_H_
#else
#define VATTENTION_ATTENTION_CPU_SOFTMAX_INL_H_
#endif

#include "attention/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vattention::cpu {
namespace HWY_NAMESPACE {

// Lanes of the vector at `t` that lie in [first, last).
HWY_INLINE MF Within(int32_t t, int32_t first, int32_t last) {
  const hn::RebindToSigned<DF> di;
  const auto index = hn::Iota(di, t);
  const auto inside = hn::And(hn::Ge(index, hn::Set(di, first)), hn::Lt(index, hn::Set(di, last)));
  return hn::RebindMask(DF(), inside);
}

// Weights of one row, in place: scores[first, last) of a split are seen, the rest are not and may
// hold anything. `distance`: (token of index 0) - (position of the row), for ALiBi.
template <bool kPlain>
HWY_INLINE void SoftmaxRow(const Problem& problem, float slope, int32_t distance, int32_t first,
                           int32_t last, float* HWY_RESTRICT scores, float* HWY_RESTRICT maximum,
                           float* HWY_RESTRICT sum) {
  const DF d;
  constexpr int32_t kStep = static_cast<int32_t>(kLanes);
  const VF none = hn::Set(d, -std::numeric_limits<float>::infinity());
  const VF scale = hn::Set(d, problem.scale);
  const int32_t begin = first / kStep * kStep;
  VF highest = none;
  for (int32_t t = begin; t < last; t += kStep) {
    VF score = hn::Mul(hn::LoadU(d, scores + t), scale);
    if constexpr (!kPlain) {
      if (problem.soft_cap > 0) {
        const VF cap = hn::Set(d, problem.soft_cap);
        score = hn::Mul(cap, hn::Tanh(d, hn::Div(score, cap)));
      }
      if (slope != 0) {
        const VF offset = hn::ConvertTo(d, hn::Iota(hn::RebindToSigned<DF>(), distance + t));
        score = hn::MulAdd(hn::Set(d, slope), offset, score);
      }
    }
    if (t < first || t + kStep > last) score = hn::IfThenElse(Within(t, first, last), score, none);
    hn::StoreU(score, d, scores + t);
    highest = hn::Max(highest, score);
  }
  *maximum = hn::ReduceMax(d, highest);
  if (*maximum == -std::numeric_limits<float>::infinity()) {
    // Nothing seen has any weight: exp(-Infinity - -Infinity) would be NaN.
    *sum = 0;
    return;
  }
  const VF top = hn::Set(d, *maximum);
  VF total = hn::Zero(d);
  for (int32_t t = begin; t < last; t += kStep) {
    const VF weight = ExpNonPositive(hn::Sub(hn::LoadU(d, scores + t), top));
    hn::StoreU(weight, d, scores + t);
    total = hn::Add(total, weight);
  }
  *sum = hn::ReduceSum(d, total);
}

// Weights of all rows of a split.
HWY_INLINE void Softmax(const Problem& problem, const QueryRows& rows, const SplitRows& split,
                        float* scores, const State& state) {
  const int32_t per_head = rows.tokens * rows.group;
  const bool plain = problem.soft_cap == 0 && problem.alibi.empty();
  for (int32_t h = 0; h < rows.heads; ++h) {
    for (int32_t r = 0; r < per_head; ++r) {
      const int32_t token = r / rows.group;
      const int32_t first = HWY_MAX(rows.lo[token], split.first) - split.base;
      const int32_t last = HWY_MIN(rows.hi[token], split.last) - split.base;
      const size_t row = static_cast<size_t>(h) * per_head + r;
      if (first >= last) {
        state.maximum[row] = -std::numeric_limits<float>::infinity();
        state.sum[row] = 0;
        continue;
      }
      float* at = scores + row * kSplitTokens;
      if (plain) {
        SoftmaxRow<true>(problem, 0, 0, first, last, at, &state.maximum[row], &state.sum[row]);
      } else {
        const int32_t head = (rows.head + h) * rows.group + r % rows.group;
        const float slope = problem.alibi.empty() ? 0 : problem.alibi[head];
        SoftmaxRow<false>(problem, slope, split.base - (rows.position + token), first, last, at,
                          &state.maximum[row], &state.sum[row]);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace vattention::cpu
HWY_AFTER_NAMESPACE();

#endif  // VATTENTION_ATTENTION_CPU_SOFTMAX_INL_H_
