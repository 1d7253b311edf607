// The weighted sum of values: state.values[row] = sum over the tokens t that row sees of
// weight[row][t] * V[t], token by token, ascending. Rows share each loaded row of V.
// Included once per target: see kernels.cc.
#if defined(VATTENTION_ATTENTION_CPU_VALUES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VATTENTION_ATTENTION_CPU_VALUES_INL_H_
#undef VATTENTION_ATTENTION_CPU_VALUES_INL_H_
#else
#define VATTENTION_ATTENTION_CPU_VALUES_INL_H_
#endif

#include "attention/cpu/scores-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vattention::cpu {
namespace HWY_NAMESPACE {

// Rows of query and pairs of vectors whose sums stay in registers: 6 x 2 pairs take 24 of the 32
// registers of AVX-512 and NEON, 4 x 1 take 8 of the 16 of AVX2 and SSE.
inline constexpr int32_t kValueRows = kLanes >= 16 || HWY_ARCH_ARM ? 6 : 4;
static_assert(kValueRows == 4 || kValueRows == 6, "AddTokensRows has a case for each number");
inline constexpr int32_t kValuePairs = kLanes >= 16 || HWY_ARCH_ARM ? 2 : 1;

// Adds tokens [first, last) of kPairs pairs of vectors to kRows rows. `rows[t] + offset` is V of
// token t, `weights` the rows' weights, `sums` the rows' sums. Each token lets
// `fetcher`, if there is one, get on by as much.
template <class Loader, size_t kRows, size_t kPairs>
HWY_NOINLINE void AddTokens(const char* const* HWY_RESTRICT rows, int64_t offset, int32_t first,
                            int32_t last, Fetcher* fetcher, const float* HWY_RESTRICT weights,
                            size_t pad, float* HWY_RESTRICT sums) {
  using Element = typename Loader::Element;
  const DF d;
  constexpr size_t kVectors = 2 * kPairs;
  VF total[kRows * kVectors];
  Unroll<kRows>(VATTN_UNROLL(r) {
    constexpr size_t kRow = decltype(r)::value;
    Unroll<kVectors>(VATTN_UNROLL(v) {
      total[kRow * kVectors + v] = hn::LoadU(d, sums + kRow * pad + v * kLanes);
    });
  });
  for (int32_t t = first; t < last; ++t) {
    const auto* row = reinterpret_cast<const Element*>(rows[t] + offset);
    if (fetcher != nullptr) fetcher->Next(kPairs * kPair * sizeof(Element));
    VF value[kVectors];
    Unroll<kPairs>(
        VATTN_UNROLL(p) { Loader::Pair(row + p * kPair, value[2 * p], value[2 * p + 1]); });
    Unroll<kRows>(VATTN_UNROLL(r) {
      constexpr size_t kRow = decltype(r)::value;
      const VF weight = hn::Set(d, weights[kRow * kSplitTokens + t]);
      Unroll<kVectors>(VATTN_UNROLL(v) {
        total[kRow * kVectors + v] = hn::MulAdd(weight, value[v], total[kRow * kVectors + v]);
      });
    });
  }
  Unroll<kRows>(VATTN_UNROLL(r) {
    constexpr size_t kRow = decltype(r)::value;
    Unroll<kVectors>(VATTN_UNROLL(v) {
      hn::StoreU(total[kRow * kVectors + v], d, sums + kRow * pad + v * kLanes);
    });
  });
}

// AddTokens over the whole padded row.
template <class Loader, size_t kRows>
HWY_INLINE void AddTokensWide(const char* const* rows, int64_t offset, int32_t first, int32_t last,
                              Fetcher* fetcher, const float* weights, size_t pad, float* sums) {
  if (first >= last) return;
  constexpr size_t kWide = kValuePairs * kPair;
  size_t e = 0;
  for (; e + kWide <= pad; e += kWide) {
    AddTokens<Loader, kRows, kValuePairs>(
        rows, offset + static_cast<int64_t>(e * sizeof(typename Loader::Element)), first, last,
        fetcher, weights, pad, sums + e);
  }
  if constexpr (kValuePairs > 1) {
    if (e < pad) {
      AddTokens<Loader, kRows, 1>(
          rows, offset + static_cast<int64_t>(e * sizeof(typename Loader::Element)), first, last,
          fetcher, weights, pad, sums + e);
    }
  }
}

template <class Loader>
HWY_INLINE void AddTokensRows(int32_t count, const char* const* rows, int64_t offset, int32_t first,
                              int32_t last, Fetcher* fetcher, const float* weights, size_t pad,
                              float* sums) {
  switch (count) {
    case 1:
      return AddTokensWide<Loader, 1>(rows, offset, first, last, fetcher, weights, pad, sums);
    case 2:
      return AddTokensWide<Loader, 2>(rows, offset, first, last, fetcher, weights, pad, sums);
    case 3:
      return AddTokensWide<Loader, 3>(rows, offset, first, last, fetcher, weights, pad, sums);
    case 4:
      return AddTokensWide<Loader, 4>(rows, offset, first, last, fetcher, weights, pad, sums);
    default:
      if constexpr (kValueRows > 4) {
        if (count == 5) {
          return AddTokensWide<Loader, 5>(rows, offset, first, last, fetcher, weights, pad, sums);
        }
        return AddTokensWide<Loader, 6>(rows, offset, first, last, fetcher, weights, pad, sums);
      }
  }
}

// Adds the tokens [from, to) of a split to a block of rows, to each what it sees of them. Every row
// gets its tokens in ascending order: those before the range that all rows share, the shared range
// for all at once, then the rest.
template <class Loader>
HWY_INLINE void AddBlock(const QueryRows& rows, int32_t base, int32_t begin, int32_t count,
                         int32_t from, int32_t to, const char* const* values, int64_t offset,
                         Fetcher* fetcher, const float* weights, size_t pad, float* sums) {
  const int32_t first_token = begin / rows.group;
  const int32_t last_token = (begin + count - 1) / rows.group;
  const int32_t shared_first = HWY_MAX(from, rows.lo[last_token] - base);
  const int32_t shared_last = HWY_MIN(to, rows.hi[first_token] - base);
  const bool share = shared_first < shared_last;
  const bool edges = first_token != last_token;
  for (int32_t i = 0; edges && i < count; ++i) {
    const int32_t token = (begin + i) / rows.group;
    const int32_t first = HWY_MAX(from, rows.lo[token] - base);
    const int32_t last = HWY_MIN(to, rows.hi[token] - base);
    AddTokensWide<Loader, 1>(values, offset, first, share ? HWY_MIN(last, shared_first) : last,
                             nullptr, weights + i * kSplitTokens, pad, sums + i * pad);
  }
  if (!share) return;
  AddTokensRows<Loader>(count, values, offset, shared_first, shared_last, fetcher, weights, pad,
                        sums);
  for (int32_t i = 0; edges && i < count; ++i) {
    const int32_t token = (begin + i) / rows.group;
    const int32_t last = HWY_MIN(to, rows.hi[token] - base);
    AddTokensWide<Loader, 1>(values, offset, shared_last, last, nullptr, weights + i * kSplitTokens,
                             pad, sums + i * pad);
  }
}

// AddBlock for the rows [begin, end).
template <class Loader>
HWY_INLINE void AddRows(const QueryRows& rows, int32_t base, RowRange range, int32_t from,
                        int32_t to, const char* const* values, int64_t offset, Fetcher* fetcher,
                        const float* weights, size_t pad, float* sums) {
  for (int32_t r = range.begin; r < range.end;) {
    const int32_t left = range.end - r;
    // 7 or 8 rows are better cut in two halves than into 6 and a rest.
    const int32_t count =
        left > kValueRows && left < 2 * kValueRows - 2 ? (left + 1) / 2 : HWY_MIN(left, kValueRows);
    AddBlock<Loader>(rows, base, r, count, from, to, values, offset,
                     r == range.begin ? fetcher : nullptr,
                     weights + static_cast<size_t>(r) * kSplitTokens, pad, sums + r * pad);
    r += count;
  }
}

// The values of all rows of a split. `next`: its first keys are fetched meanwhile.
template <class Loader>
HWY_INLINE void Values(const Problem& problem, const RowShape& shape, const RowShape& key_shape,
                       const QueryRows& rows, const SplitRows& split, const SplitRows* next,
                       const Scratch& scratch, const State& state) {
  using Element = typename Loader::Element;
  const auto pad = static_cast<size_t>(problem.value_pad);
  const int32_t per_head = rows.tokens * rows.group;
  const bool staged =
      per_head > kValueRows || shape.piece != shape.dim || shape.dim != problem.value_pad;
  const int32_t first = split.first - split.base;
  const int32_t last = split.last - split.base;
  std::memset(state.values, 0, sizeof(float) * rows.heads * per_head * pad);
  for (int32_t t = first / kValueTokens * kValueTokens; t < last; t += kValueTokens) {
    const int32_t from = HWY_MAX(t, first);
    const int32_t to = HWY_MIN(t + kValueTokens, last);
    const RowRange range = SeeingRows(rows, split.base + from, split.base + to);
    if (range.begin == range.end) continue;
    Fetcher ahead =
        to < last || next == nullptr
            ? Fetcher(split.value, to, HWY_MIN(to + kValueTokens, last), rows, shape,
                      sizeof(Element))
            : Fetcher(next->key, next->first - next->base,
                      HWY_MIN(next->first - next->base + kValueTokens / 2, next->last - next->base),
                      rows, key_shape, sizeof(Element));
    for (int32_t h = 0; h < rows.heads; ++h) {
      const size_t row = static_cast<size_t>(h) * per_head;
      const int64_t head_offset = (rows.head + h) * shape.head_bytes;
      const float* weights = scratch.scores + row * kSplitTokens;
      float* sums = state.values + row * pad;
      if (staged) {
        ahead.Next(static_cast<int64_t>(to - from) * shape.dim * sizeof(Element));
        StageRows<Loader>(split.value, head_offset, from, to, shape, problem.value_pad,
                          scratch.collected, scratch.values);
        const char* staged_rows[kSplitTokens];
        for (int32_t i = from; i < to; ++i) {
          staged_rows[i] = reinterpret_cast<const char*>(scratch.values + (i - from) * pad);
        }
        AddRows<LoadFloat32>(rows, split.base, range, from, to, staged_rows, 0, nullptr, weights,
                             pad, sums);
      } else {
        AddRows<Loader>(rows, split.base, range, from, to, split.value, head_offset, &ahead,
                        weights, pad, sums);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace vattention::cpu
HWY_AFTER_NAMESPACE();

#endif  // VATTENTION_ATTENTION_CPU_VALUES_INL_H_
