#include "ops/cpu/compact_matrix.h"

#include <algorithm>
#include <cstring>

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

}  // namespace

CompactMatrix::CompactMatrix(int64_t outputs, int64_t inputs)
    : outputs_(outputs),
      inputs_(inputs),
      blocks_(static_cast<size_t>((outputs + kBlockOutputs - 1) / kBlockOutputs)) {}

bool CompactMatrix::Supports(StorageType type, int64_t first, int64_t count) const {
  return BitsOf(type) != 0 && inputs_ % LayoutOf(type).block_elements == 0 &&
         first % kBlockOutputs == 0 && (count % kBlockOutputs == 0 || first + count == outputs_);
}

size_t CompactMatrix::Reserve(StorageType type, int64_t first, int64_t count) {
  VATTN_CHECK(Supports(type, first, count) && first + count <= outputs_);
  const int bits = BitsOf(type);
  const size_t block_bytes = static_cast<size_t>(groups()) * GroupBytes(bits);
  const int64_t blocks = (count + kBlockOutputs - 1) / kBlockOutputs;
  storage_.emplace_back(static_cast<size_t>(blocks) * block_bytes);
  for (int64_t i = 0; i < blocks; ++i) {
    blocks_[static_cast<size_t>(first / kBlockOutputs + i)] = {
        storage_.back().data() + static_cast<size_t>(i) * block_bytes, bits};
  }
  return storage_.back().bytes();
}

bool CompactMatrix::complete() const {
  return !blocks_.empty() && std::all_of(blocks_.begin(), blocks_.end(),
                                         [](const Block& block) { return block.data != nullptr; });
}

void CompactMatrix::Pack(StorageType type, int64_t first, int64_t count, const std::byte* stored) {
  const Block& block = blocks_[static_cast<size_t>(first / kBlockOutputs)];
  VATTN_CHECK(first % kBlockOutputs == 0 && count <= kBlockOutputs);
  VATTN_CHECK(block.data != nullptr && block.bits == BitsOf(type));
  const size_t row_bytes = StoredBytes(type, inputs_);
  for (int64_t g = 0; g < groups(); ++g) {
    auto* scales =
        reinterpret_cast<float*>(block.data + static_cast<size_t>(g) * GroupBytes(block.bits));
    float* offsets = scales + kBlockOutputs;  // 4 bits
    auto* q = reinterpret_cast<uint32_t*>(scales + (block.bits == 4 ? 2 : 1) * kBlockOutputs);
    for (int64_t o = 0; o < count; ++o) {
      const std::byte* row = stored + static_cast<size_t>(o) * row_bytes;
      const QuantizedGroup group = UnpackGroup(type, row, g);
      scales[o] = group.scale;
      if (block.bits == 4) {
        offsets[o] = group.offset;
        for (int64_t i = 0; i < kCompactInputs; ++i) {
          q[i / 8 * kBlockOutputs + o] |= static_cast<uint32_t>(group.q[i]) << (i % 8 * 4);
        }
      } else {
        for (int64_t i = 0; i < kCompactInputs; ++i) {
          q[i / 4 * kBlockOutputs + o] |= static_cast<uint32_t>(static_cast<uint8_t>(group.q[i]))
                                          << (i % 4 * 8);
        }
      }
    }
  }
}

}  // namespace vattention::ops
