#include "ops/cpu/dequantize.h"

#include <bit>
#include <cstring>

#include "ops/cpu/bfloat16.h"

namespace vattention::ops {
namespace {

constexpr int kSmallBlock = 32;   // Q4_0 ... Q8_0
constexpr int kSuperBlock = 256;  // the K types: 8 or 16 sub-blocks with scales of their own

uint16_t Load16(const uint8_t* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
float LoadHalf(const uint8_t* from) { return FromFloat16(Load16(from)); }

// Low nibbles are the first 16 elements, high nibbles the last 16.
void Q4_0(const uint8_t* block, float* to) {
  const float scale = LoadHalf(block);
  const uint8_t* q = block + 2;
  for (int i = 0; i < 16; ++i) {
    to[i] = static_cast<float>((q[i] & 15) - 8) * scale;
    to[i + 16] = static_cast<float>((q[i] >> 4) - 8) * scale;
  }
}

void Q4_1(const uint8_t* block, float* to) {
  const float scale = LoadHalf(block);
  const float minimum = LoadHalf(block + 2);
  const uint8_t* q = block + 4;
  for (int i = 0; i < 16; ++i) {
    to[i] = static_cast<float>(q[i] & 15) * scale + minimum;
    to[i + 16] = static_cast<float>(q[i] >> 4) * scale + minimum;
  }
}

// The fifth bits of all 32 elements come first, as one little-endian word.
void Q5(const uint8_t* bits, const uint8_t* q, float offset, float scale, float minimum,
        float* to) {
  uint32_t high;
  std::memcpy(&high, bits, sizeof(high));
  for (int i = 0; i < 16; ++i) {
    const auto low = static_cast<float>((q[i] & 15) | (high >> i & 1) << 4);
    const auto upper = static_cast<float>((q[i] >> 4) | (high >> (i + 16) & 1) << 4);
    to[i] = (low - offset) * scale + minimum;
    to[i + 16] = (upper - offset) * scale + minimum;
  }
}
void Q5_0(const uint8_t* block, float* to) {
  Q5(block + 2, block + 6, 16.0f, LoadHalf(block), 0.0f, to);
}
void Q5_1(const uint8_t* block, float* to) {
  Q5(block + 4, block + 8, 0.0f, LoadHalf(block), LoadHalf(block + 2), to);
}

void Q8_0(const uint8_t* block, float* to) {
  const float scale = LoadHalf(block);
  for (int i = 0; i < kSmallBlock; ++i) {
    to[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * scale;
  }
}

// Eight 6-bit scales and eight 6-bit minimums in 12 bytes: the first four of each in the low bits
// of bytes 0-7, the others as nibbles of bytes 8-11 with their top bits above the first four.
struct ScaleAndMinimum {
  int scale, minimum;
};
ScaleAndMinimum UnpackScale(const uint8_t* packed, int i) {
  if (i < 4) return {packed[i] & 63, packed[i + 4] & 63};
  return {(packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4, (packed[i + 4] >> 4) | (packed[i] >> 6)
                                                                                       << 4};
}

// Q4_K and Q5_K: 64 elements at a time from 32 bytes, low nibbles then high ones. `high` holds the
// fifth bits, one bit position per 32 elements; null for Q4_K.
void Q45_K(const uint8_t* block, const uint8_t* high, const uint8_t* q, float* to) {
  const float d = LoadHalf(block);
  const float dmin = LoadHalf(block + 2);
  const uint8_t* scales = block + 4;
  for (int group = 0; group < 8; ++group) {
    const auto [scale, minimum] = UnpackScale(scales, group);
    const float s = d * static_cast<float>(scale);
    const float m = dmin * static_cast<float>(minimum);
    const uint8_t* from = q + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      int value = group % 2 == 0 ? from[i] & 15 : from[i] >> 4;
      if (high != nullptr) value |= (high[i] >> group & 1) << 4;
      to[group * 32 + i] = s * static_cast<float>(value) - m;
    }
  }
}
void Q4_K(const uint8_t* block, float* to) { Q45_K(block, nullptr, block + 16, to); }
void Q5_K(const uint8_t* block, float* to) { Q45_K(block, block + 16, block + 48, to); }

// Halves of 128 elements: four runs of 32 share 64 low nibbles and 32 bytes of upper bit pairs.
void Q6_K(const uint8_t* block, float* to) {
  const auto* scales = reinterpret_cast<const int8_t*>(block + 192);
  const float d = LoadHalf(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = block + half * 64;
    const uint8_t* high = block + 128 + half * 32;
    for (int run = 0; run < 4; ++run) {
      for (int i = 0; i < 32; ++i) {
        const uint8_t byte = low[run % 2 * 32 + i];
        const int nibble = run < 2 ? byte & 15 : byte >> 4;
        const int value = (nibble | (high[i] >> (2 * run) & 3) << 4) - 32;
        const float scale = d * static_cast<float>(scales[half * 8 + run * 2 + i / 16]);
        to[half * 128 + run * 32 + i] = scale * static_cast<float>(value);
      }
    }
  }
}

void F32(const uint8_t* from, float* to) { std::memcpy(to, from, sizeof(float)); }
void F16(const uint8_t* from, float* to) { *to = LoadHalf(from); }
void BF16(const uint8_t* from, float* to) { *to = FromBfloat16(Load16(from)); }

constexpr StorageLayout kLayouts[] = {
    {"F32", 1, 4},
    {"F16", 1, 2},
    {"BF16", 1, 2},
    {"Q8_0", kSmallBlock, 34},
    {"Q4_0", kSmallBlock, 18},
    {"Q4_1", kSmallBlock, 20},
    {"Q5_0", kSmallBlock, 22},
    {"Q5_1", kSmallBlock, 24},
    {"Q4_K", kSuperBlock, 144},
    {"Q5_K", kSuperBlock, 176},
    {"Q6_K", kSuperBlock, 210},
};
static_assert(std::size(kLayouts) == static_cast<size_t>(StorageType::kQ6_K) + 1,
              "one layout for each StorageType, in its order");

template <void (*kBlock)(const uint8_t*, float*)>
void Blocks(const StorageLayout& layout, const uint8_t* from, int64_t elements, float* to) {
  for (int64_t e = 0; e < elements; e += layout.block_elements, from += layout.block_bytes) {
    kBlock(from, to + e);
  }
}

}  // namespace

float FromFloat16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7FFFu) << 13;
  if (magnitude >= 0x0F800000u) return std::bit_cast<float>(sign | 0x7F800000u | magnitude);
  // 2^112 moves the exponent's bias, and makes normal numbers of subnormal ones.
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
}

QuantizedGroup UnpackGroup(StorageType type, const void* row, int64_t index) {
  const StorageLayout& layout = LayoutOf(type);
  const int64_t group = index % (layout.block_elements / kSmallBlock);
  const uint8_t* block = static_cast<const uint8_t*>(row) +
                         index * kSmallBlock / layout.block_elements * layout.block_bytes;
  QuantizedGroup result = {};
  const auto nibbles = [&](const uint8_t* q) {
    for (int i = 0; i < 16; ++i) {
      result.q[i] = static_cast<int8_t>(q[i] & 15);
      result.q[i + 16] = static_cast<int8_t>(q[i] >> 4);
    }
  };
  result.scale = LoadHalf(block);
  switch (type) {
    case StorageType::kQ4_0:
      result.offset = -8.0f * result.scale;
      nibbles(block + 2);
      return result;
    case StorageType::kQ4_1:
      result.offset = LoadHalf(block + 2);
      nibbles(block + 4);
      return result;
    case StorageType::kQ4_K: {
      // 17 significant bits at most: both products are exact.
      const auto [scale, minimum] = UnpackScale(block + 4, static_cast<int>(group));
      result.scale *= static_cast<float>(scale);
      result.offset = -(LoadHalf(block + 2) * static_cast<float>(minimum));
      const uint8_t* from = block + 16 + group / 2 * 32;
      for (int i = 0; i < kSmallBlock; ++i) {
        result.q[i] = static_cast<int8_t>(group % 2 == 0 ? from[i] & 15 : from[i] >> 4);
      }
      return result;
    }
    default:
      for (int i = 0; i < kSmallBlock; ++i) result.q[i] = static_cast<int8_t>(block[2 + i]);
      return result;
  }
}

const StorageLayout& LayoutOf(StorageType type) { return kLayouts[static_cast<size_t>(type)]; }

std::optional<StorageType> ParseStorageType(std::string_view name) {
  for (size_t i = 0; i < std::size(kLayouts); ++i) {
    if (name == kLayouts[i].name) return static_cast<StorageType>(i);
  }
  return std::nullopt;
}

void Dequantize(StorageType type, const void* from, int64_t elements, float* to) {
  const StorageLayout& layout = LayoutOf(type);
  const auto* bytes = static_cast<const uint8_t*>(from);
  switch (type) {
    case StorageType::kF32:
      return Blocks<F32>(layout, bytes, elements, to);
    case StorageType::kF16:
      return Blocks<F16>(layout, bytes, elements, to);
    case StorageType::kBF16:
      return Blocks<BF16>(layout, bytes, elements, to);
    case StorageType::kQ8_0:
      return Blocks<Q8_0>(layout, bytes, elements, to);
    case StorageType::kQ4_0:
      return Blocks<Q4_0>(layout, bytes, elements, to);
    case StorageType::kQ4_1:
      return Blocks<Q4_1>(layout, bytes, elements, to);
    case StorageType::kQ5_0:
      return Blocks<Q5_0>(layout, bytes, elements, to);
    case StorageType::kQ5_1:
      return Blocks<Q5_1>(layout, bytes, elements, to);
    case StorageType::kQ4_K:
      return Blocks<Q4_K>(layout, bytes, elements, to);
    case StorageType::kQ5_K:
      return Blocks<Q5_K>(layout, bytes, elements, to);
    case StorageType::kQ6_K:
      return Blocks<Q6_K>(layout, bytes, elements, to);
  }
}

}  // namespace vattention::ops
