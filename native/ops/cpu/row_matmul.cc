#include "ops/cpu/row_matmul.h"

#include <algorithm>
#include <utility>

// clang-format off: this order matters. What follows is compiled once per instruction set, by
// including this file again.
#include "ops/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/row_matmul.cc"
#include "hwy/foreach_target.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace vattention::ops {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
using DU32 = hn::Rebind<uint32_t, DF>;

// A register tile: kTileRows rows by kTileVectors vectors. bf16 keeps two sums each, so AVX-512
// fills 24 of its 32 registers with sums and AVX2 12 of its 16.
inline constexpr int kTileRows = 6;
inline constexpr int kTileVectors = HWY_MAX_BYTES >= 64 || HWY_ARCH_ARM ? 2 : 1;
inline constexpr int64_t kLanes = HWY_MAX_BYTES / sizeof(float);
inline constexpr int64_t kTileOutputs = kTileVectors * kLanes;
static_assert(kRowMatmulUnit % kTileOutputs == 0, "units are whole tiles");

// Calls f(0), ..., f(N - 1) with constant indices, so that arrays of vectors stay in registers.
template <size_t... kIndices, class F>
HWY_INLINE void UnrollIndices(std::index_sequence<kIndices...>, F&& f) {
  (f(std::integral_constant<size_t, kIndices>{}), ...);
}
template <size_t kCount, class F>
HWY_INLINE void Unroll(F&& f) {
  UnrollIndices(std::make_index_sequence<kCount>{}, f);
}
#define VATTN_UNROLL(i) [&](auto i) HWY_ATTR __attribute__((always_inline))

template <typename T>
inline constexpr int64_t kGroupInputs =
    GroupInputs(sizeof(T) == 2 ? Precision::kBfloat16 : Precision::kFloat32);

// How far ahead of its use a cache line is asked for: two groups of inputs. The hardware
// prefetcher stops at page ends; this does not.
inline constexpr int64_t kPrefetchBytes = 8192;

// Asks for part `part` of `parts` of the lines that the same tile will need kPrefetchBytes later.
// Every tile asks for its share: all at once they would wait for each other, and computing for
// them.
template <typename T>
HWY_INLINE void PrefetchShare(const T* weights, int64_t part, int64_t parts) {
  constexpr int64_t kLines = kGroupInputs<T> * static_cast<int64_t>(sizeof(T)) / 4;
  constexpr int64_t kLineBytes = kBlockOutputs * static_cast<int64_t>(sizeof(float));
  const char* ahead = reinterpret_cast<const char*>(weights) + kPrefetchBytes;
  for (int64_t line = kLines * part / parts; line < kLines * (part + 1) / parts; ++line) {
    for (int64_t byte = 0; byte < kTileOutputs * 4; byte += 64) {
      hwy::Prefetch(ahead + line * kLineBytes + byte);
    }
  }
}

// sums [kRows, kBlockOutputs] += activations [kRows, 32] x one group of inputs of kTileOutputs
// outputs. `weights` points at the group's first pair.
template <int kRows>
HWY_INLINE void AddBfloat16(const uint16_t* HWY_RESTRICT weights,
                            const float* HWY_RESTRICT activations, int64_t stride,
                            float* HWY_RESTRICT sums) {
  const DF d;
  const DU32 du;
  const auto odd_bits = hn::Set(du, 0xFFFF0000u);
  VF even[kRows * kTileVectors];
  VF odd[kRows * kTileVectors];
  Unroll<kRows * kTileVectors>(VATTN_UNROLL(i) { even[i] = odd[i] = hn::Zero(d); });
  for (int64_t pair = 0; pair < kGroupInputs<uint16_t> / 2; ++pair) {
    const auto* line = reinterpret_cast<const uint32_t*>(weights) + pair * kBlockOutputs;
    VF first[kTileVectors];
    VF second[kTileVectors];
    Unroll<kTileVectors>(VATTN_UNROLL(v) {
      const auto both = hn::Load(du, line + v * kLanes);
      first[v] = hn::BitCast(d, hn::ShiftLeft<16>(both));
      second[v] = hn::BitCast(d, hn::And(both, odd_bits));
    });
    Unroll<kRows>(VATTN_UNROLL(r) {
      const VF a = hn::Set(d, activations[r * stride + 2 * pair]);
      const VF b = hn::Set(d, activations[r * stride + 2 * pair + 1]);
      Unroll<kTileVectors>(VATTN_UNROLL(v) {
        constexpr size_t i = decltype(r)::value * kTileVectors + decltype(v)::value;
        even[i] = hn::MulAdd(a, first[v], even[i]);
        odd[i] = hn::MulAdd(b, second[v], odd[i]);
      });
    });
  }
  Unroll<kRows>(VATTN_UNROLL(r) {
    Unroll<kTileVectors>(VATTN_UNROLL(v) {
      constexpr size_t i = decltype(r)::value * kTileVectors + decltype(v)::value;
      float* sum = sums + r * kBlockOutputs + v * kLanes;
      hn::Store(hn::Add(hn::Load(d, sum), hn::Add(even[i], odd[i])), d, sum);
    });
  });
}

// The same for float32.
template <int kRows>
HWY_INLINE void AddFloat32(const float* HWY_RESTRICT weights, const float* HWY_RESTRICT activations,
                           int64_t stride, float* HWY_RESTRICT sums) {
  const DF d;
  VF sum[kRows * kTileVectors];
  Unroll<kRows>(VATTN_UNROLL(r) {
    Unroll<kTileVectors>(VATTN_UNROLL(v) {
      sum[r * kTileVectors + v] = hn::Load(d, sums + r * kBlockOutputs + v * kLanes);
    });
  });
  for (int64_t k = 0; k < kGroupInputs<float>; ++k) {
    const float* line = weights + k * kBlockOutputs;
    VF weight[kTileVectors];
    Unroll<kTileVectors>(VATTN_UNROLL(v) { weight[v] = hn::Load(d, line + v * kLanes); });
    Unroll<kRows>(VATTN_UNROLL(r) {
      const VF a = hn::Set(d, activations[r * stride + k]);
      Unroll<kTileVectors>(VATTN_UNROLL(v) {
        constexpr size_t i = decltype(r)::value * kTileVectors + decltype(v)::value;
        sum[i] = hn::MulAdd(a, weight[v], sum[i]);
      });
    });
  }
  Unroll<kRows>(VATTN_UNROLL(r) {
    Unroll<kTileVectors>(VATTN_UNROLL(v) {
      hn::Store(sum[r * kTileVectors + v], d, sums + r * kBlockOutputs + v * kLanes);
    });
  });
}

// AddBfloat16 of weights that were expanded to float32: `weights` [32, kBlockOutputs].
template <int kRows>
HWY_INLINE void AddExpanded(const float* HWY_RESTRICT weights,
                            const float* HWY_RESTRICT activations, int64_t stride,
                            float* HWY_RESTRICT sums) {
  const DF d;
  VF even[kRows * kTileVectors];
  VF odd[kRows * kTileVectors];
  Unroll<kRows * kTileVectors>(VATTN_UNROLL(i) { even[i] = odd[i] = hn::Zero(d); });
  for (int64_t k = 0; k < kCompactInputs; k += 2) {
    const float* line = weights + k * kBlockOutputs;
    VF first[kTileVectors];
    VF second[kTileVectors];
    Unroll<kTileVectors>(VATTN_UNROLL(v) {
      first[v] = hn::Load(d, line + v * kLanes);
      second[v] = hn::Load(d, line + kBlockOutputs + v * kLanes);
    });
    Unroll<kRows>(VATTN_UNROLL(r) {
      const VF a = hn::Set(d, activations[r * stride + k]);
      const VF b = hn::Set(d, activations[r * stride + k + 1]);
      Unroll<kTileVectors>(VATTN_UNROLL(v) {
        constexpr size_t i = decltype(r)::value * kTileVectors + decltype(v)::value;
        even[i] = hn::MulAdd(a, first[v], even[i]);
        odd[i] = hn::MulAdd(b, second[v], odd[i]);
      });
    });
  }
  Unroll<kRows>(VATTN_UNROLL(r) {
    Unroll<kTileVectors>(VATTN_UNROLL(v) {
      constexpr size_t i = decltype(r)::value * kTileVectors + decltype(v)::value;
      float* sum = sums + r * kBlockOutputs + v * kLanes;
      hn::Store(hn::Add(hn::Load(d, sum), hn::Add(even[i], odd[i])), d, sum);
    });
  });
}

// What a group of weights is read from: tells AddRows its kernel.
struct StreamBfloat16 {
  using Element = uint16_t;
  template <int kRows>
  static HWY_INLINE void Add(const Element* weights, const float* a, int64_t stride, float* sums) {
    AddBfloat16<kRows>(weights, a, stride, sums);
  }
};
struct StreamFloat32 {
  using Element = float;
  template <int kRows>
  static HWY_INLINE void Add(const Element* weights, const float* a, int64_t stride, float* sums) {
    AddFloat32<kRows>(weights, a, stride, sums);
  }
};
// Expanded ones lie in the cache; both precisions come in groups of 32.
struct ExpandedBfloat16 {
  using Element = float;
  template <int kRows>
  static HWY_INLINE void Add(const Element* weights, const float* a, int64_t stride, float* sums) {
    AddExpanded<kRows>(weights, a, stride, sums);
  }
};
struct ExpandedFloat32 {
  using Element = float;
  template <int kRows>
  static HWY_INLINE void Add(const Element* weights, const float* a, int64_t stride, float* sums) {
    AddFloat32<kRows>(weights, a, stride, sums);
    constexpr int64_t kHalf = kGroupInputs<float>;
    AddFloat32<kRows>(weights + kHalf * kBlockOutputs, a + kHalf, stride, sums);
  }
};

// All rows, in tiles of at most kTileRows. `prefetch(part, parts)` is called before each tile.
template <class Source, class Prefetch>
HWY_INLINE void AddRows(const typename Source::Element* weights, const float* activations,
                        int64_t stride, int64_t rows, float* sums, const Prefetch& prefetch) {
  // 8 rows are two tiles of 4 and not 6 and 2: loading weights is paid per tile.
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t first = rows * t / tiles;
    const float* a = activations + first * stride;
    float* to = sums + first * kBlockOutputs;
    prefetch(t, tiles);
    switch (rows * (t + 1) / tiles - first) {
      case 1:
        Source::template Add<1>(weights, a, stride, to);
        break;
      case 2:
        Source::template Add<2>(weights, a, stride, to);
        break;
      case 3:
        Source::template Add<3>(weights, a, stride, to);
        break;
      case 4:
        Source::template Add<4>(weights, a, stride, to);
        break;
      case 5:
        Source::template Add<5>(weights, a, stride, to);
        break;
      default:
        Source::template Add<kTileRows>(weights, a, stride, to);
    }
  }
}

// Rounds to bfloat16, ties to even.
HWY_INLINE VF RoundVector(VF value) {
  const DF d;
  const DU32 du;
  const auto bits = hn::BitCast(du, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto rounded = hn::Add(hn::Add(bits, hn::Set(du, 0x7FFFu)), odd);
  return hn::BitCast(d, hn::And(rounded, hn::Set(du, 0xFFFF0000u)));
}

// Expands outputs [first, last) of a group of 4-bit weights to `to` [32, kBlockOutputs].
template <bool kRound>
HWY_INLINE void Expand4(const std::byte* HWY_RESTRICT group, int64_t first, int64_t last,
                        float* HWY_RESTRICT to) {
  const DF d;
  const DU32 du;
  const auto* scales = reinterpret_cast<const float*>(group);
  const auto* words = reinterpret_cast<const uint32_t*>(scales + 2 * kBlockOutputs);
  const auto nibble = hn::Set(du, 15u);
  for (int64_t o = first; o < last; o += kLanes) {
    const VF scale = hn::Load(d, scales + o);
    const VF offset = hn::Load(d, scales + kBlockOutputs + o);
    for (int64_t w = 0; w < 4; ++w) {
      const auto word = hn::Load(du, words + w * kBlockOutputs + o);
      Unroll<8>(VATTN_UNROLL(i) {
        const auto q = hn::And(hn::ShiftRight<4 * decltype(i)::value>(word), nibble);
        const VF value =
            hn::MulAdd(hn::ConvertTo(d, hn::BitCast(hn::RebindToSigned<DF>(), q)), scale, offset);
        hn::Store(kRound ? RoundVector(value) : value, d, to + (8 * w + i) * kBlockOutputs + o);
      });
    }
  }
}

// The same for 8 bits.
template <bool kRound>
HWY_INLINE void Expand8(const std::byte* HWY_RESTRICT group, int64_t first, int64_t last,
                        float* HWY_RESTRICT to) {
  const DF d;
  const hn::RebindToSigned<DF> di;
  const auto* scales = reinterpret_cast<const float*>(group);
  const auto* words = reinterpret_cast<const int32_t*>(scales + kBlockOutputs);
  for (int64_t o = first; o < last; o += kLanes) {
    const VF scale = hn::Load(d, scales + o);
    for (int64_t w = 0; w < 8; ++w) {
      const auto word = hn::Load(di, words + w * kBlockOutputs + o);
      Unroll<4>(VATTN_UNROLL(i) {
        constexpr int kUp = 24 - 8 * static_cast<int>(decltype(i)::value);
        const auto q = hn::ShiftRight<24>(hn::ShiftLeft<kUp>(word));
        const VF value = hn::Mul(hn::ConvertTo(d, q), scale);
        hn::Store(kRound ? RoundVector(value) : value, d, to + (4 * w + i) * kBlockOutputs + o);
      });
    }
  }
}

void Widen(const uint16_t* HWY_RESTRICT from, int64_t count, float* HWY_RESTRICT to) {
  const DF d;
  const DU32 du;
  const hn::Rebind<uint16_t, DF> du16;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const auto bits = hn::PromoteTo(du, hn::LoadU(du16, from + i));
    hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(bits)), d, to + i);
  }
  for (; i < count; ++i) to[i] = hwy::F32FromBF16(hwy::BitCastScalar<hwy::bfloat16_t>(from[i]));
}

// What a call works with: activations as floats, sums of one block, an expanded group.
struct Workspace {
  float* activations;  // [rows, padded]
  float* sums;         // [rows, kBlockOutputs]
  float* expanded;     // [kCompactInputs, kBlockOutputs]
};

// Sums of outputs [first, last) of a block, straight from the matrix.
template <class Source>
HWY_INLINE void AddBlock(const RowMatmulArgs& args, int64_t block, int64_t first, int64_t last,
                         const Workspace& space) {
  using T = typename Source::Element;
  const int64_t padded = args.weights->padded_inputs();
  const T* from = static_cast<const T*>(args.weights->data()) + block * padded * kBlockOutputs;
  constexpr int64_t kGroup = kGroupInputs<T> * kBlockOutputs;  // elements
  for (int64_t k = 0; k < padded; k += kGroupInputs<T>, from += kGroup) {
    for (int64_t output = first; output < last; output += kTileOutputs) {
      // A bf16 line holds pairs, so an output is two elements from the next one.
      const T* column = from + output * static_cast<int64_t>(sizeof(float) / sizeof(T));
      AddRows<Source>(column, space.activations + k, padded, args.rows, space.sums + output,
                      [&](int64_t part, int64_t parts)
                          HWY_ATTR { PrefetchShare(column, part, parts); });
    }
  }
}

// The same from the compact form.
template <class Source, bool kRound>
HWY_INLINE void AddCompactBlock(const RowMatmulArgs& args, int64_t block, int64_t first,
                                int64_t last, const Workspace& space) {
  const CompactMatrix& compact = args.weights->compact();
  const int64_t padded = args.weights->padded_inputs();
  const int bits = compact.bits(block);
  const size_t bytes = CompactMatrix::GroupBytes(bits);
  const std::byte* group = compact.data(block);
  for (int64_t k = 0; k < padded; k += kCompactInputs, group += bytes) {
    // Three groups ahead; groups are small, and expanding one takes as long as memory needs.
    for (size_t byte = 0; byte < bytes; byte += 64) hwy::Prefetch(group + 3 * bytes + byte);
    if (bits == 4) {
      Expand4<kRound>(group, first, last, space.expanded);
    } else {
      Expand8<kRound>(group, first, last, space.expanded);
    }
    for (int64_t output = first; output < last; output += kTileOutputs) {
      AddRows<Source>(space.expanded + output, space.activations + k, padded, args.rows,
                      space.sums + output, [](int64_t, int64_t) HWY_ATTR {});
    }
  }
}

template <class Precise, class Expanded>
HWY_INLINE void Multiply(const RowMatmulArgs& args) {
  using T = typename Precise::Element;
  constexpr bool kRound = sizeof(T) == 2;
  const WeightMatrix& weights = *args.weights;
  const int64_t inputs = weights.inputs();
  const int64_t padded = weights.padded_inputs();
  const int64_t outputs = weights.outputs();

  Workspace space;
  space.expanded = args.scratch;
  space.sums = space.expanded + kCompactInputs * kBlockOutputs;
  space.activations = space.sums + kRowMatmulRows * kBlockOutputs;
  for (int64_t r = 0; r < args.rows; ++r) {
    const T* from = static_cast<const T*>(args.activations) + r * inputs;
    float* to = space.activations + r * padded;
    if constexpr (kRound) {
      Widen(from, inputs, to);
    } else {
      std::copy(from, from + inputs, to);
    }
    std::fill(to + inputs, to + padded, 0.0f);
  }

  for (int64_t unit = args.first_unit; unit < args.last_unit;) {
    // The part of one block that is ours: one or both of its units.
    constexpr int64_t kUnits = kBlockOutputs / kRowMatmulUnit;
    const int64_t block = unit / kUnits;
    const int64_t end = std::min(args.last_unit, (block + 1) * kUnits);
    const int64_t first = (unit - block * kUnits) * kRowMatmulUnit;
    const int64_t last = (end - block * kUnits) * kRowMatmulUnit;
    std::fill(space.sums, space.sums + args.rows * kBlockOutputs, 0.0f);
    if (args.compact) {
      AddCompactBlock<Expanded, kRound>(args, block, first, last, space);
    } else {
      AddBlock<Precise>(args, block, first, last, space);
    }
    const int64_t valid = std::min(last, outputs - block * kBlockOutputs);
    for (int64_t r = 0; r < args.rows; ++r) {
      float* to = args.output + r * outputs + block * kBlockOutputs;
      for (int64_t output = first; output < valid; ++output) {
        to[output] = space.sums[r * kBlockOutputs + output];
      }
    }
    unit = end;
  }
}

void MultiplyBfloat16(const RowMatmulArgs& args) {
  Multiply<StreamBfloat16, ExpandedBfloat16>(args);
}
void MultiplyFloat32(const RowMatmulArgs& args) { Multiply<StreamFloat32, ExpandedFloat32>(args); }

}  // namespace HWY_NAMESPACE
}  // namespace vattention::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vattention::ops {

HWY_EXPORT(MultiplyBfloat16);
HWY_EXPORT(MultiplyFloat32);

void RowMatmul(const RowMatmulArgs& args) {
  if (args.weights->precision() == Precision::kBfloat16) {
    HWY_DYNAMIC_DISPATCH(MultiplyBfloat16)(args);
  } else {
    HWY_DYNAMIC_DISPATCH(MultiplyFloat32)(args);
  }
}

}  // namespace vattention::ops
#endif  // HWY_ONCE
