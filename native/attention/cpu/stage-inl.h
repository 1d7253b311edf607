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

// Collects the rows of kLanes tokens that are neighbours in the published layout's V: reads each
// element of the dim along the tokens and transposes. `to` gets rows of `shape.dim` elements; dim
// is a multiple of 8, and what lies past a multiple of kPair is left to the caller. Returns how
// many elements of each row are done.
HWY_INLINE int32_t CollectTransposed(const char* HWY_RESTRICT first, const RowShape& shape,
                                     uint16_t* HWY_RESTRICT to) {
  const DF d;
  const DU32 du;
  const DU16Half dh;
  const int32_t whole = shape.dim / static_cast<int32_t>(kPair) * static_cast<int32_t>(kPair);
  for (int32_t e = 0; e < whole; e += static_cast<int32_t>(kPair)) {
    VF rows[kLanes];
    // Two elements make one lane of 32 bits, so that half as many lanes have to be moved.
    Unroll<kLanes>(VATTN_UNROLL(i) {
      const auto at = [&](size_t element) HWY_ATTR __attribute__((always_inline)) {
        const char* from = first + (e + static_cast<int64_t>(element)) * shape.piece_bytes;
        return hn::PromoteTo(du, hn::LoadU(dh, reinterpret_cast<const uint16_t*>(from)));
      };
      rows[i] = hn::BitCast(d, hn::Or(at(2 * i), hn::ShiftLeft<16>(at(2 * i + 1))));
    });
    Transpose(rows);
    Unroll<kLanes>(VATTN_UNROLL(i) {
      hn::StoreU(hn::BitCast(DU16(), rows[i]), DU16(),
                 to + static_cast<int64_t>(i) * shape.dim + e);
    });
  }
  return whole;
}

HWY_INLINE int32_t CollectTransposed(const char* HWY_RESTRICT first, const RowShape& shape,
                                     float* HWY_RESTRICT to) {
  const DF d;
  const int32_t step = static_cast<int32_t>(kLanes);
  const int32_t whole = shape.dim / step * step;
  for (int32_t e = 0; e < whole; e += step) {
    VF rows[kLanes];
    Unroll<kLanes>(VATTN_UNROLL(i) {
      const char* from = first + (e + static_cast<int64_t>(i)) * shape.piece_bytes;
      rows[i] = hn::LoadU(d, reinterpret_cast<const float*>(from));
    });
    Transpose(rows);
    Unroll<kLanes>(
        VATTN_UNROLL(i) { hn::StoreU(rows[i], d, to + static_cast<int64_t>(i) * shape.dim + e); });
  }
  return whole;
}

// Collects one row's pieces, from element `begin` on, into consecutive elements.
template <class Element>
HWY_INLINE void CollectRow(const char* HWY_RESTRICT row, const RowShape& shape, int32_t begin,
                           Element* HWY_RESTRICT to) {
  constexpr int32_t kBlock = 16 / static_cast<int32_t>(sizeof(Element));  // the published K
  if (shape.piece == kBlock) {
    row += begin / kBlock * shape.piece_bytes;
    for (int32_t e = begin; e < shape.dim; e += kBlock, row += shape.piece_bytes) {
      std::memcpy(to + e, row, 16);
    }
    return;
  }
  for (int32_t e = begin; e < shape.dim; e += shape.piece) {
    std::memcpy(to + e, row + e / shape.piece * shape.piece_bytes, shape.piece * sizeof(Element));
  }
}

// Stages one head (at `head_offset` bytes) of the tokens [first, last) of a split. `rows` holds the
// address of each; `to` gets last - first rows of `pad` floats. `collected` is scratch for as many
// rows of `shape.dim` elements.
template <class Loader>
HWY_INLINE void StageRows(const char* const* HWY_RESTRICT rows, int64_t head_offset, int32_t first,
                          int32_t last, const RowShape& shape, int32_t pad,
                          float* HWY_RESTRICT collected, float* HWY_RESTRICT to) {
  using Element = typename Loader::Element;
  if (shape.piece == shape.dim) {
    for (int32_t t = first; t < last; ++t) {
      StageRow<Loader>(rows[t] + head_offset, shape.dim, pad, to + (t - first) * pad);
    }
    return;
  }
  // All rows are collected before the first is read again: a vector that is loaded right after the
  // narrow stores it consists of would wait for them.
  auto* dense = reinterpret_cast<Element*>(collected);
  constexpr int32_t kCount = static_cast<int32_t>(kLanes);
  constexpr auto kApart = static_cast<ptrdiff_t>((kLanes - 1) * sizeof(Element));
  for (int32_t t = first; t < last;) {
    Element* at = dense + static_cast<int64_t>(t - first) * shape.dim;
    const bool neighbours =
        shape.piece == 1 && t + kCount <= last && rows[t + kCount - 1] - rows[t] == kApart;
    const int32_t done = neighbours ? CollectTransposed(rows[t] + head_offset, shape, at) : 0;
    const int32_t end = neighbours ? t + kCount : t + 1;
    for (; t < end; ++t, at += shape.dim) {
      if (done < shape.dim) CollectRow(rows[t] + head_offset, shape, done, at);
    }
  }
  for (int32_t t = first; t < last; ++t) {
    const Element* row = dense + static_cast<int64_t>(t - first) * shape.dim;
    StageRow<Loader>(reinterpret_cast<const char*>(row), shape.dim, pad, to + (t - first) * pad);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace vattention::cpu
HWY_AFTER_NAMESPACE();

#endif  // VATTENTION_ATTENTION_CPU_STAGE_INL_H_
