// Staging: rows of one KV head, converted to floats and padded, in scratch. Used where more than
// one query row reads them, where the dim is no multiple of what is loaded at once, and where a
// head's elements are scattered (the published PagedAttention layout). Included once per target:
// see kernels.cc.
#if defined(VATTENTION_ATTENTION_CPU_STAGE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VATTENTION_ATTENTION_CPU_STAGE_INL_H_
#undef VATTENTION_ATTENTION_CPU_STAGE_INL_H_
#else
#define VATTENTION_ATTENTION_CPU_STAGE_INL_H_
#endif

#include <cstring>

#include "attention/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vattention::cpu {
namespace HWY_NAMESPACE {

// Converts `dim` consecutive elements to `pad` floats in the loader's order, zeros at the end.
template <class Loader>
HWY_INLINE void StageRow(const char* HWY_RESTRICT row, int32_t dim, int32_t pad,
                         float* HWY_RESTRICT to) {
  const DF d;
  const auto* from = reinterpret_cast<const typename Loader::Element*>(row);
  size_t e = 0;
  VF a, b;
  for (; e + kPair <= static_cast<size_t>(dim); e += kPair) {
    Loader::Pair(from + e, a, b);
    hn::StoreU(a, d, to + e);
    hn::StoreU(b, d, to + e + kLanes);
  }
  for (; e < static_cast<size_t>(pad); e += kPair) {
    if (e < static_cast<size_t>(dim)) {
      Loader::PairN(from + e, dim - e, a, b);
    } else {
      a = b = hn::Zero(d);
    }
    hn::StoreU(a, d, to + e);
    hn::StoreU(b, d, to + e + kLanes);
  }
}

// Gathers the pieces of one head of one row into `to`, `shape.dim` consecutive elements.
template <class Element>
HWY_INLINE void GatherRow(const char* HWY_RESTRICT row, const RowShape& shape,
                          Element* HWY_RESTRICT to) {
  if (shape.piece == 1) {
    for (int32_t e = 0; e < shape.dim; ++e) {
      std::memcpy(to + e, row + e * shape.piece_bytes, sizeof(Element));
    }
    return;
  }
  for (int32_t e = 0; e < shape.dim; e += shape.piece) {
    std::memcpy(to + e, row, shape.piece * sizeof(Element));
    row += shape.piece_bytes;
  }
}

// The published layout's V, where a block's tokens are neighbours: kLanes tokens of `shape.dim`
// elements, read along the tokens and transposed.
template <class Loader>
HWY_INLINE void StageTransposed(const char* HWY_RESTRICT first, const RowShape& shape, int32_t pad,
                                float* HWY_RESTRICT to) {
  const DF d;
  const DU16Half dh;
  for (size_t e = 0; e < static_cast<size_t>(pad); e += kPair) {
    VF columns[2][kLanes];
    for (size_t half = 0; half < 2; ++half) {
      VF(&rows)[kLanes] = columns[half];
      Unroll<kLanes>(VATTN_UNROLL(i) {
        // The element that belongs into lane i of this half of the packed pair.
        const size_t element = e + (Loader::kInterleaved ? 2 * i + half : half * kLanes + i);
        if (element >= static_cast<size_t>(shape.dim)) {
          rows[i] = hn::Zero(d);
        } else {
          const char* from = first + static_cast<int64_t>(element) * shape.piece_bytes;
          if constexpr (Loader::kInterleaved) {
            const auto bits = hn::LoadU(dh, reinterpret_cast<const uint16_t*>(from));
            rows[i] = hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(DU32(), bits)));
          } else if constexpr (sizeof(typename Loader::Element) == 2) {
            rows[i] = PromoteF16(reinterpret_cast<const uint16_t*>(from), kLanes);
          } else {
            rows[i] = hn::LoadU(d, reinterpret_cast<const float*>(from));
          }
        }
      });
      Transpose(rows);
    }
    for (size_t half = 0; half < 2; ++half) {
      Unroll<kLanes>(
          VATTN_UNROLL(i) { hn::StoreU(columns[half][i], d, to + i * pad + e + half * kLanes); });
    }
  }
}

// Stages one head (at `head_offset` bytes) of the tokens [first, last) of a split. `rows` holds the
// address of each; `to` gets last - first rows of `pad` floats.
template <class Loader>
HWY_INLINE void StageRows(const char* const* HWY_RESTRICT rows, int64_t head_offset, int32_t first,
                          int32_t last, const RowShape& shape, int32_t pad,
                          float* HWY_RESTRICT to) {
  using Element = typename Loader::Element;
  if (shape.piece == shape.dim) {
    for (int32_t t = first; t < last; ++t) {
      StageRow<Loader>(rows[t] + head_offset, shape.dim, pad, to + (t - first) * pad);
    }
    return;
  }
  // 512: the largest head dim (config_check.cc).
  HWY_ALIGN Element gathered[512];
  for (int32_t t = first; t < last;) {
    constexpr int32_t kCount = static_cast<int32_t>(kLanes);
    constexpr auto kApart = static_cast<ptrdiff_t>((kLanes - 1) * sizeof(Element));
    if (shape.piece == 1 && t + kCount <= last && rows[t + kCount - 1] - rows[t] == kApart) {
      StageTransposed<Loader>(rows[t] + head_offset, shape, pad, to + (t - first) * pad);
      t += kCount;
      continue;
    }
    GatherRow(rows[t] + head_offset, shape, gathered);
    StageRow<Loader>(reinterpret_cast<const char*>(gathered), shape.dim, pad,
                     to + (t - first) * pad);
    ++t;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace vattention::cpu
HWY_AFTER_NAMESPACE();

#endif  // VATTENTION_ATTENTION_CPU_STAGE_INL_H_
