#include "ops/cpu/weight_matrix.h"

#include <algorithm>

#include "ops/cpu/bfloat16.h"
#include "ops/cpu/status.h"

namespace vattention::ops {

WeightMatrix::WeightMatrix(int64_t outputs, int64_t inputs, Precision precision,
                           CompactForm compact_form)
    : outputs_(outputs), inputs_(inputs), precision_(precision) {
  VATTN_CHECK(outputs > 0 && inputs > 0);
  data_ = AlignedBuffer<std::byte>(static_cast<size_t>(blocks() * kBlockOutputs * padded_inputs()) *
                                   ElementBytes(precision));
  compact_ = CompactMatrix(outputs, inputs, compact_form);
}

void WeightMatrix::Pack(int64_t first, int64_t count, const float* rows) {
  VATTN_CHECK(first >= 0 && count >= 0 && first + count <= outputs_);
  const int64_t block_elements = kBlockOutputs * padded_inputs();
  // Block by block, so that what is written stays in the cache until it is complete.
  for (int64_t row = 0; row < count;) {
    const int64_t column = (first + row) % kBlockOutputs;
    const int64_t columns = std::min(kBlockOutputs - column, count - row);
    const int64_t offset = (first + row) / kBlockOutputs * block_elements;
    const float* from = rows + row * inputs_;
    if (precision_ == Precision::kBfloat16) {
      auto* block = reinterpret_cast<uint16_t*>(data_.data()) + offset;
      for (int64_t k = 0; k < inputs_; ++k) {
        uint16_t* to = block + k / 2 * 2 * kBlockOutputs + column * 2 + k % 2;
        for (int64_t c = 0; c < columns; ++c) to[2 * c] = ToBfloat16(from[c * inputs_ + k]);
      }
    } else {
      auto* block = reinterpret_cast<float*>(data_.data()) + offset;
      for (int64_t k = 0; k < inputs_; ++k) {
        float* to = block + k * kBlockOutputs + column;
        for (int64_t c = 0; c < columns; ++c) to[c] = from[c * inputs_ + k];
      }
    }
    row += columns;
  }
}

}  // namespace vattention::ops
