// Scores: query . key for rows of query and groups of tokens. Two variants with the same bits:
//
//   direct  lanes hold elements of the head dim; one row of query against kLanes tokens at a time,
//           whose sums are then added across lanes together
//   packed  lanes hold tokens: the keys are transposed once and serve many rows of query
//
// Included once per target: see kernels.cc.
#if defined(VATTENTION_ATTENTION_CPU_SCORES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VATTENTION_ATTENTION_CPU_SCORES_INL_H_
#undef VATTENTION_ATTENTION_CPU_SCORES_INL_H_
#else
#define VATTENTION_ATTENTION_CPU_SCORES_INL_H_
#endif

#include "attention/cpu/stage-inl.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace vattention::cpu {
namespace HWY_NAMESPACE {

// From this many rows of query per KV head on, transposing the keys pays.
inline constexpr int32_t kPackedRows = kLanes >= 16 ? 8 : 12;

// Scores of one packed row of query against kLanes keys.
template <class Loader>
HWY_INLINE VF DirectScores(const typename Loader::Element* const (&keys)[kLanes],
                           const float* HWY_RESTRICT query, size_t pad) {
  const DF d;
  VF sums[kLanes];
  Unroll<kLanes>(VATTN_UNROLL(i) { sums[i] = hn::Zero(d); });
  for (size_t e = 0; e < pad; e += kPair) {
    const VF q0 = hn::LoadU(d, query + e);
    const VF q1 = hn::LoadU(d, query + e + kLanes);
    Unroll<kLanes>(VATTN_UNROLL(i) {
      VF k0, k1;
      Loader::Pair(keys[i] + e, k0, k1);
      sums[i] = hn::MulAdd(q0, k0, sums[i]);
      sums[i] = hn::MulAdd(q1, k1, sums[i]);
    });
  }
  return ReduceRows(sums);
}

// Transposes 2 x kLanes staged keys into `panel`: for lane l, for each vector v of a packed row,
// the elements v * kLanes + l of all the tokens. That is the order in which PackedScores sums.
HWY_INLINE void PackPanel(const float* HWY_RESTRICT keys, size_t pad, float* HWY_RESTRICT panel) {
  const DF d;
  const size_t vectors = pad / kLanes;
  for (size_t half = 0; half < 2; ++half) {
    const float* from = keys + half * kLanes * pad;
    for (size_t v = 0; v < vectors; ++v) {
      VF rows[kLanes];
      Unroll<kLanes>(VATTN_UNROLL(i) { rows[i] = hn::LoadU(d, from + i * pad + v * kLanes); });
      Transpose(rows);
      Unroll<kLanes>(VATTN_UNROLL(i) {
        hn::StoreU(rows[i], d, panel + ((i * vectors + v) * 2 + half) * kLanes);
      });
    }
  }
}

// The sum over lanes [0, kCount) of the products of lane, as the tree of ReduceRows.
template <size_t kCount, size_t kRows>
HWY_INLINE void SumLanes(const float* HWY_RESTRICT panel, const float* HWY_RESTRICT query,
                         size_t pad, size_t vectors, VF (&out)[2 * kRows]) {
  const DF d;
  if constexpr (kCount == 1) {
    Unroll<2 * kRows>(VATTN_UNROLL(i) { out[i] = hn::Zero(d); });
    for (size_t v = 0; v < vectors; ++v) {
      const VF k0 = hn::LoadU(d, panel + v * kPair);
      const VF k1 = hn::LoadU(d, panel + v * kPair + kLanes);
      Unroll<kRows>(VATTN_UNROLL(r) {
        const VF q = hn::Set(d, query[r * pad + v * kLanes]);
        out[2 * r] = hn::MulAdd(q, k0, out[2 * r]);
        out[2 * r + 1] = hn::MulAdd(q, k1, out[2 * r + 1]);
      });
    }
  } else {
    VF left[2 * kRows];
    VF right[2 * kRows];
    SumLanes<kCount / 2, kRows>(panel, query, pad, vectors, left);
    SumLanes<kCount / 2, kRows>(panel + kCount / 2 * vectors * kPair, query + kCount / 2, pad,
                                vectors, right);
    Unroll<2 * kRows>(VATTN_UNROLL(i) { out[i] = hn::Add(left[i], right[i]); });
  }
}

// Scores of kRows packed rows of query against the 2 x kLanes keys of a panel.
template <size_t kRows, size_t kVectors>
HWY_INLINE void PackedScores(const float* HWY_RESTRICT panel, const float* HWY_RESTRICT query,
                             size_t pad, float* HWY_RESTRICT scores) {
  const DF d;
  VF sums[2 * kRows];
  const size_t vectors = kVectors != 0 ? kVectors : pad / kLanes;
  SumLanes<kLanes, kRows>(panel, query, pad, vectors, sums);
  Unroll<kRows>(VATTN_UNROLL(r) {
    hn::StoreU(sums[2 * r], d, scores + r * kSplitTokens);
    hn::StoreU(sums[2 * r + 1], d, scores + r * kSplitTokens + kLanes);
  });
}

template <size_t kVectors>
HWY_INLINE void PackedRows(const float* panel, const float* query, size_t pad, int32_t begin,
                           int32_t end, float* scores) {
  int32_t r = begin;
  for (; r + 2 <= end; r += 2) {
    PackedScores<2, kVectors>(panel, query + r * pad, pad, scores + r * kSplitTokens);
  }
  if (r < end) PackedScores<1, kVectors>(panel, query + r * pad, pad, scores + r * kSplitTokens);
}

// Asks for the lines of one head of `count` rows ahead of their use. Rows past `last` are left out.
HWY_INLINE void PrefetchRows(const char* const* rows, int32_t first, int32_t last,
                             int64_t head_offset, const RowShape& shape, int32_t element_bytes) {
  if (shape.piece == 1) return;  // scattered elements: nothing to ask for in lines
  const int64_t bytes = static_cast<int64_t>(shape.piece) * element_bytes;
  for (int32_t t = first; t < last; ++t) {
    const char* row = rows[t] + head_offset;
    for (int32_t e = 0; e < shape.dim; e += shape.piece, row += shape.piece_bytes) {
      for (int64_t b = 0; b < bytes; b += 64) hwy::Prefetch(row + b);
    }
  }
}

// Which rows of query see any of the tokens [from, to): a range, as lo and hi ascend.
struct RowRange {
  int32_t begin, end;
};
HWY_INLINE RowRange SeeingRows(const QueryRows& rows, int32_t from, int32_t to) {
  int32_t begin = 0;
  int32_t end = rows.tokens;
  while (begin < end && rows.hi[begin] <= from) ++begin;
  while (end > begin && rows.lo[end - 1] >= to) --end;
  return {begin * rows.group, end * rows.group};
}

// The scores of all rows against the tokens of a split that they see; those of tokens that a row
// does not see are left undefined.
template <class Loader>
HWY_INLINE void Scores(const Problem& problem, const RowShape& shape, const QueryRows& rows,
                       const SplitRows& split, const Scratch& scratch) {
  using Element = typename Loader::Element;
  const DF d;
  const auto pad = static_cast<size_t>(problem.key_pad);
  const int32_t per_head = rows.tokens * rows.group;
  const bool packed = per_head >= kPackedRows;
  const bool staged = packed || per_head > 1 || shape.piece != shape.dim || shape.dim % kPair != 0;
  const int32_t step = static_cast<int32_t>(packed ? kPair : kLanes);
  const int32_t first = split.first - split.base;
  const int32_t last = split.last - split.base;
  for (int32_t t = first / step * step; t < last; t += step) {
    const RowRange range = SeeingRows(rows, split.base + t, split.base + t + step);
    if (range.begin == range.end) continue;
    const int32_t from = HWY_MAX(t, first);
    const int32_t to = HWY_MIN(t + step, last);
    for (int32_t h = 0; h < rows.heads; ++h) {
      const int64_t head_offset = (rows.head + h) * shape.head_bytes;
      const float* query = rows.query + static_cast<size_t>(h) * per_head * pad;
      float* scores = scratch.scores + static_cast<size_t>(h) * per_head * kSplitTokens + t;
      PrefetchRows(split.key, to, HWY_MIN(to + step, last), head_offset, shape, sizeof(Element));
      if (staged) {
        StageRows<Loader>(split.key, head_offset, from, to, shape, problem.key_pad,
                          scratch.keys + static_cast<size_t>(from - t) * pad);
      }
      if (packed) {
        // Rows of scratch that hold no token of the split give scores that nobody reads.
        PackPanel(scratch.keys, pad, scratch.panel);
        switch (pad / kLanes) {
          case 4:
            PackedRows<4>(scratch.panel, query, pad, range.begin, range.end, scores);
            break;
          case 8:
            PackedRows<8>(scratch.panel, query, pad, range.begin, range.end, scores);
            break;
          default:
            PackedRows<0>(scratch.panel, query, pad, range.begin, range.end, scores);
        }
        continue;
      }
      if (staged) {
        const float* keys[kLanes];
        for (int32_t i = 0; i < step; ++i) {
          keys[i] =
              scratch.keys + static_cast<size_t>(HWY_MIN(HWY_MAX(t + i, from), to - 1) - t) * pad;
        }
        for (int32_t r = range.begin; r < range.end; ++r) {
          hn::StoreU(DirectScores<LoadFloat32>(keys, query + r * pad, pad), d,
                     scores + static_cast<size_t>(r) * kSplitTokens);
        }
      } else {
        const Element* keys[kLanes];
        for (int32_t i = 0; i < step; ++i) {
          const int32_t token = HWY_MIN(HWY_MAX(t + i, from), to - 1);
          keys[i] = reinterpret_cast<const Element*>(split.key[token] + head_offset);
        }
        hn::StoreU(DirectScores<Loader>(keys, query, pad), d, scores);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace vattention::cpu
HWY_AFTER_NAMESPACE();

#endif  // VATTENTION_ATTENTION_CPU_SCORES_INL_H_
