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

// The same of kLanes staged keys, one after the other. kVectors: pad / kLanes, if it is known when
// this is compiled: then all addresses are one register's.
template <size_t kVectors>
HWY_INLINE VF StagedScores(const float* HWY_RESTRICT keys, const float* HWY_RESTRICT query,
                           size_t runtime_pad) {
  const DF d;
  const size_t pad = kVectors != 0 ? kVectors * kLanes : runtime_pad;
  VF sums[kLanes];
  Unroll<kLanes>(VATTN_UNROLL(i) { sums[i] = hn::Zero(d); });
  for (size_t e = 0; e < pad; e += kLanes) {
    const VF q = hn::LoadU(d, query + e);
    Unroll<kLanes>(
        VATTN_UNROLL(i) { sums[i] = hn::MulAdd(q, hn::LoadU(d, keys + i * pad + e), sums[i]); });
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

// The products of one lane, summed as DirectScores does, for kRows rows and 2 x kLanes keys.
template <size_t kRows>
HWY_INLINE void SumLane(const float* HWY_RESTRICT panel, const float* HWY_RESTRICT query,
                        size_t pad, size_t vectors, VF (&out)[2 * kRows]) {
  const DF d;
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
}

// Scores of kRows packed rows of query against the 2 x kLanes keys of a panel.
template <size_t kRows, size_t kVectors>
HWY_NOINLINE void PackedScores(const float* HWY_RESTRICT panel, const float* HWY_RESTRICT query,
                               size_t pad, float* HWY_RESTRICT scores) {
  const DF d;
  const size_t vectors = kVectors != 0 ? kVectors : pad / kLanes;
  VF total[2 * kRows];
  Unroll<2 * kRows>(VATTN_UNROLL(j) { total[j] = hn::Zero(d); });
  for (size_t lane = 0; lane < kLanes; lane += 2) {
    VF even[2 * kRows];
    VF odd[2 * kRows];
    SumLane<kRows>(panel + lane * vectors * kPair, query + lane, pad, vectors, even);
    SumLane<kRows>(panel + (lane + 1) * vectors * kPair, query + lane + 1, pad, vectors, odd);
    Unroll<2 * kRows>(VATTN_UNROLL(j) { total[j] = hn::Add(total[j], hn::Add(even[j], odd[j])); });
  }
  Unroll<2 * kRows>(
      VATTN_UNROLL(j) { hn::StoreU(total[j], d, scores + j / 2 * kSplitTokens + j % 2 * kLanes); });
}

// Rows of query that PackedScores takes at once: 4 x 2 totals and twice as many sums fit 32
// registers, 2 x 2 of each fit 16.
inline constexpr int32_t kPackedBlock = kLanes >= 16 || HWY_ARCH_ARM ? 4 : 2;

template <size_t kVectors>
HWY_INLINE void PackedRows(const float* panel, const float* query, size_t pad, int32_t begin,
                           int32_t end, float* scores) {
  int32_t r = begin;
  const auto block = [&](auto rows) HWY_ATTR {
    PackedScores<decltype(rows)::value, kVectors>(panel, query + r * pad, pad,
                                                  scores + static_cast<size_t>(r) * kSplitTokens);
    r += static_cast<int32_t>(decltype(rows)::value);
  };
  while (r + kPackedBlock <= end) block(std::integral_constant<size_t, kPackedBlock>{});
  switch (end - r) {
    case 3:
      block(std::integral_constant<size_t, 3>{});
      break;
    case 2:
      block(std::integral_constant<size_t, 2>{});
      break;
    case 1:
      block(std::integral_constant<size_t, 1>{});
      break;
    default:
      break;
  }
}

// Asks for rows of K or V ahead of their use, all heads of a unit, in the order in which they lie
// in memory, so that the core's own prefetcher joins in. A few lines at a time between pieces of
// work: a core can wait for a dozen lines only, and stands still when asked for more.
class Fetcher {
 public:
  // Tokens [first, last) of `rows`.
  HWY_INLINE Fetcher(const char* const* rows, int32_t first, int32_t last, const QueryRows& query,
                     const RowShape& shape, int32_t element_bytes)
      : rows_(rows), token_(first), last_(last), offset_(query.head * shape.head_bytes) {
    if (shape.piece == shape.dim) {
      bytes_ = query.heads * shape.head_bytes;
    } else {
      // Scattered elements: a block is one range, which its first token begins.
      bytes_ = query.heads * static_cast<int64_t>(shape.dim / shape.piece) * shape.piece_bytes;
      neighbour_ = static_cast<int64_t>(shape.piece) * element_bytes;
    }
  }

  HWY_INLINE bool done() const { return at_ >= end_ && token_ >= last_; }
  HWY_INLINE void Next(int64_t bytes) {
    for (; bytes > 0; bytes -= kLine) {
      if (at_ >= end_) {
        if (token_ >= last_) return;
        NextRange();
      }
      hwy::Prefetch(at_);
      at_ += kLine;
    }
  }

 private:
  static constexpr int64_t kLine = 64;

  // Rows that lie one after the other make one range.
  HWY_INLINE void NextRange() {
    at_ = rows_[token_++] + offset_;
    end_ = at_ + bytes_;
    if (neighbour_ != 0) {
      while (token_ < last_ && rows_[token_] - rows_[token_ - 1] == neighbour_) ++token_;
      return;
    }
    while (token_ < last_ && rows_[token_] + offset_ == end_) {
      end_ += bytes_;
      ++token_;
    }
  }

  const char* const* const rows_;
  int32_t token_;
  const int32_t last_;
  const int64_t offset_;
  int64_t bytes_;
  int64_t neighbour_ = 0;  // from a token to the next of its block; 0: every token is a range
  const char* at_ = nullptr;
  const char* end_ = nullptr;
};

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

// Calls `body` with the vectors of a padded row as a constant: the common numbers, else 0.
template <class Body>
HWY_INLINE void WithVectors(size_t pad, const Body& body) {
  switch (pad / kLanes) {
    case 4:
      return body(std::integral_constant<size_t, 4>{});
    case 8:
      return body(std::integral_constant<size_t, 8>{});
    default:
      return body(std::integral_constant<size_t, 0>{});
  }
}

// The scores of all rows against the tokens of a split that they see; those of tokens that a row
// does not see are left undefined. Fetches the first values too.
template <class Loader>
HWY_INLINE void Scores(const Problem& problem, const RowShape& shape, const RowShape& value_shape,
                       const QueryRows& rows, const SplitRows& split, const Scratch& scratch) {
  using Element = typename Loader::Element;
  const DF d;
  const auto pad = static_cast<size_t>(problem.key_pad);
  const int32_t per_head = rows.tokens * rows.group;
  const bool packed = per_head >= kPackedRows;
  // Rows without padding can be read where they are.
  const bool staged =
      packed || per_head > 1 || shape.piece != shape.dim || shape.dim != problem.key_pad;
  const int32_t step = static_cast<int32_t>(packed ? kPair : kLanes);
  const int32_t first = split.first - split.base;
  const int32_t last = split.last - split.base;
  Fetcher keys_ahead(split.key, HWY_MIN(first / step * step + step, last), last, rows, shape,
                     sizeof(Element));
  Fetcher values_ahead(split.value, first, HWY_MIN(first + kValueTokens, last), rows, value_shape,
                       sizeof(Element));
  // One of `parts` pieces of what the next group of tokens reads of a head.
  const auto fetch = [&](int32_t parts) HWY_ATTR {
    const int64_t bytes = static_cast<int64_t>(step) * shape.dim * sizeof(Element) / parts;
    if (!keys_ahead.done()) return keys_ahead.Next(bytes);
    values_ahead.Next(bytes * (kValueTokens / step));
  };
  for (int32_t t = first / step * step; t < last; t += step) {
    const RowRange range = SeeingRows(rows, split.base + t, split.base + t + step);
    if (range.begin == range.end) continue;
    const int32_t from = HWY_MAX(t, first);
    const int32_t to = HWY_MIN(t + step, last);
    for (int32_t h = 0; h < rows.heads; ++h) {
      const int64_t head_offset = (rows.head + h) * shape.head_bytes;
      const float* query = rows.query + static_cast<size_t>(h) * per_head * pad;
      float* scores = scratch.scores + static_cast<size_t>(h) * per_head * kSplitTokens + t;
      if (packed || !staged) fetch(1);
      if (staged) {
        StageRows<Loader>(split.key, head_offset, from, to, shape, problem.key_pad,
                          scratch.collected, scratch.keys + static_cast<size_t>(from - t) * pad);
      }
      if (packed) {
        // Rows of scratch that hold no token of the split give scores that nobody reads.
        PackPanel(scratch.keys, pad, scratch.panel);
        WithVectors(pad, [&](auto vectors) HWY_ATTR {
          PackedRows<decltype(vectors)::value>(scratch.panel, query, pad, range.begin, range.end,
                                               scores);
        });
        continue;
      }
      if (staged) {
        WithVectors(pad, [&](auto vectors) HWY_ATTR {
          for (int32_t r = range.begin; r < range.end; ++r) {
            fetch(range.end - range.begin);
            hn::StoreU(StagedScores<decltype(vectors)::value>(scratch.keys, query + r * pad, pad),
                       d, scores + static_cast<size_t>(r) * kSplitTokens);
          }
        });
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
