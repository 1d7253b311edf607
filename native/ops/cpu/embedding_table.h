// The embedding, kept as the file stores it: exact and as small as the file, since a pass reads
// only a row per token.
#ifndef VATTENTION_OPS_CPU_EMBEDDING_TABLE_H_
#define VATTENTION_OPS_CPU_EMBEDDING_TABLE_H_

#include <cstddef>
#include <cstdint>

#include "ops/cpu/aligned_buffer.h"
#include "ops/cpu/dequantize.h"

namespace vattention::ops {

class EmbeddingTable {
 public:
  EmbeddingTable() = default;
  // `width` must be a multiple of the type's block.
  EmbeddingTable(StorageType type, int64_t rows, int64_t width)
      : type_(type),
        width_(width),
        row_bytes_(StoredBytes(type, width)),
        data_(static_cast<size_t>(rows) * row_bytes_) {}

  size_t bytes() const { return data_.bytes(); }
  size_t row_bytes() const { return row_bytes_; }
  // Stored bytes of a row, to be filled in.
  std::byte* row(int64_t index) { return data_.data() + static_cast<size_t>(index) * row_bytes_; }
  // Writes row `index` as `width` floats. `index` must be in range.
  void Read(int64_t index, float* to) const {
    Dequantize(type_, data_.data() + static_cast<size_t>(index) * row_bytes_, width_, to);
  }

 private:
  StorageType type_ = StorageType::kF32;
  int64_t width_ = 0;
  size_t row_bytes_ = 0;
  AlignedBuffer<std::byte> data_;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_EMBEDDING_TABLE_H_
