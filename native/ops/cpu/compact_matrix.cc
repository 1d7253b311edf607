#include "ops/cpu/compact_matrix.h"

#include <algorithm>
#include <cstring>

#include "hwy/base.h"
#include "ops/cpu/status.h"
#include "ops/cpu/weight_matrix.h"

namespace vattention::ops {
namespace {

int BitsOf(StorageType type) {
  switch (type) {
    case StorageType::kQ4_0:
    case StorageType::kQ4_1:
    case StorageType::kQ4_K:
      return 4;
    case StorageType::kQ8_0:
      return 8;
    default:
      return 0;
  }
}

// Whether scales and offsets are stored as float16; other types compute theirs.
bool HasHalfScales(StorageType type) {
  return type == StorageType::kQ4_1 || type == StorageType::kQ8_0;
}

}  // namespace

CompactMatrix::CompactMatrix(int64_t outputs, int64_t inputs, CompactForm form)
    : outputs_(outputs),
      inputs_(inputs),
      form_(form),
      blocks_(static_cast<size_t>((outputs + kBlockOutputs - 1) / kBlockOutputs)) {}

bool CompactMatrix::Supports(StorageType type, int64_t first, int64_t count) const {
  return BitsOf(type) != 0 && inputs_ % LayoutOf(type).block_elements == 0 &&
         first % kBlockOutputs == 0 && (count % kBlockOutputs == 0 || first + count == outputs_);
}

size_t CompactMatrix::BlockBytes(const Block& block) const {
  constexpr size_t kUnits = kBlockOutputs / kUnitOutputs;
  return static_cast<size_t>(groups()) *
         (form_ == CompactForm::kTiles ? kUnits * UnitGroupBytes(block.bits, block.half_scales)
                                       : GroupBytes(block.bits));
}

size_t CompactMatrix::Reserve(StorageType type, int64_t first, int64_t count) {
  VATTN_CHECK(Supports(type, first, count) && first + count <= outputs_);
  Block block;
  block.bits = BitsOf(type);
  block.half_scales = form_ == CompactForm::kTiles && HasHalfScales(type);
  const size_t bytes = BlockBytes(block);
  const int64_t blocks = (count + kBlockOutputs - 1) / kBlockOutputs;
  storage_.emplace_back(static_cast<size_t>(blocks) * bytes);
  for (int64_t i = 0; i < blocks; ++i) {
    block.data = storage_.back().data() + static_cast<size_t>(i) * bytes;
    blocks_[static_cast<size_t>(first / kBlockOutputs + i)] = block;
  }
  return storage_.back().bytes();
}

bool CompactMatrix::complete() const {
  return !blocks_.empty() && std::all_of(blocks_.begin(), blocks_.end(),
                                         [](const Block& block) { return block.data != nullptr; });
}

const std::byte* CompactMatrix::unit(int64_t unit) const {
  constexpr int64_t kUnits = kBlockOutputs / kUnitOutputs;
  const Block& block = blocks_[static_cast<size_t>(unit / kUnits)];
  return block.data + static_cast<size_t>(unit % kUnits) * BlockBytes(block) / kUnits;
}

void CompactMatrix::Pack(StorageType type, int64_t first, int64_t count, const std::byte* stored) {
  const Block& block = blocks_[static_cast<size_t>(first / kBlockOutputs)];
  VATTN_CHECK(first % kBlockOutputs == 0 && count <= kBlockOutputs);
  VATTN_CHECK(block.data != nullptr && block.bits == BitsOf(type));
  const size_t row_bytes = StoredBytes(type, inputs_);
  for (int64_t g = 0; g < groups(); ++g) {
    for (int64_t o = 0; o < count; ++o) {
      const QuantizedGroup weights =
          UnpackGroup(type, stored + static_cast<size_t>(o) * row_bytes, g);
      if (form_ == CompactForm::kTiles) {
        PackForTiles(block, g, o, weights);
      } else {
        PackForVectors(block, g, o, weights);
      }
    }
  }
}

void CompactMatrix::PackForVectors(const Block& block, int64_t group, int64_t output,
                                   const QuantizedGroup& weights) {
  auto* scales =
      reinterpret_cast<float*>(block.data + static_cast<size_t>(group) * GroupBytes(block.bits));
  scales[output] = weights.scale;
  if (block.bits == 4) scales[kBlockOutputs + output] = weights.offset;
  auto* q = reinterpret_cast<uint32_t*>(scales + (block.bits == 4 ? 2 : 1) * kBlockOutputs);
  const int64_t in_word = 32 / block.bits;
  for (int64_t i = 0; i < kCompactInputs; ++i) {
    const uint32_t bits = static_cast<uint8_t>(weights.q[i]);
    q[i / in_word * kBlockOutputs + output] |= bits << (i % in_word * block.bits);
  }
}

void CompactMatrix::PackForTiles(const Block& block, int64_t group, int64_t output,
                                 const QuantizedGroup& weights) {
  const int64_t line = output % kUnitOutputs;
  const auto scale_bytes =
      static_cast<int64_t>(block.half_scales ? sizeof(uint16_t) : sizeof(float));
  std::byte* to = block.data + static_cast<size_t>(output / kUnitOutputs) * BlockBytes(block) / 2 +
                  static_cast<size_t>(group) * UnitGroupBytes(block.bits, block.half_scales);
  const auto put = [&](float value) {
    if (block.half_scales) {
      const auto half = hwy::F16FromF32(value);
      std::memcpy(to + line * scale_bytes, &half, sizeof(half));
    } else {
      std::memcpy(to + line * scale_bytes, &value, sizeof(value));
    }
    to += kUnitOutputs * scale_bytes;
  };
  put(weights.scale);
  if (block.bits == 8) {
    std::memcpy(to + line * kCompactInputs, weights.q, sizeof(weights.q));
    return;
  }
  put(weights.offset);
  for (int64_t i = 0; i < kCompactInputs; ++i) {
    to[line / 2 * kCompactInputs + i] |= static_cast<std::byte>(weights.q[i] << (line % 2 * 4));
  }
}

}  // namespace vattention::ops
