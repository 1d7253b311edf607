// A matrix of weights, packed once in the order in which matrix products read it.
//
// Columns of the product (outputs) go in blocks of 64; a block holds all inputs, one after the
// other (bf16: two by two), so that it is one sequential stream:
//
//   float32   [outputs / 64][inputs    ][64]       oneDNN's BA16a64b
//   bfloat16  [outputs / 64][inputs / 2][64][2]    oneDNN's BA16a64b2a
//
// Outputs are padded to a multiple of 64 and inputs to whole groups (bf16: 32, float32: 16), with
// zeros. oneDNN's AVX-512 and AMX kernels want exactly this layout, and our own (row_matmul.h) was
// written for it, so both read the same copy.
#ifndef VATTENTION_OPS_CPU_WEIGHT_MATRIX_H_
#define VATTENTION_OPS_CPU_WEIGHT_MATRIX_H_

#include <cstddef>
#include <cstdint>

#include "ops/cpu/aligned_buffer.h"
#include "ops/cpu/compact_matrix.h"

namespace vattention::ops {

enum class Precision { kBfloat16, kFloat32 };

inline constexpr int64_t kBlockOutputs = 64;
inline constexpr int64_t GroupInputs(Precision precision) {
  return precision == Precision::kBfloat16 ? 32 : 16;
}
inline size_t ElementBytes(Precision precision) {
  return precision == Precision::kBfloat16 ? sizeof(uint16_t) : sizeof(float);
}

class WeightMatrix {
 public:
  WeightMatrix() = default;
  WeightMatrix(int64_t outputs, int64_t inputs, Precision precision,
               CompactForm compact_form = CompactForm::kVectors);

  // Packs `count` rows of the plain matrix [outputs, inputs], beginning with row `first`. Several
  // threads may pack disjoint rows at a time. bf16 rounds to nearest, ties to even.
  void Pack(int64_t first, int64_t count, const float* rows /* [count, inputs] */);

  // The same weights in few bits, where the file has them so; complete() says whether.
  CompactMatrix& compact() { return compact_; }
  const CompactMatrix& compact() const { return compact_; }

  int64_t outputs() const { return outputs_; }
  int64_t inputs() const { return inputs_; }
  int64_t padded_inputs() const {
    const int64_t group = GroupInputs(precision_);
    return (inputs_ + group - 1) / group * group;
  }
  int64_t blocks() const { return (outputs_ + kBlockOutputs - 1) / kBlockOutputs; }
  Precision precision() const { return precision_; }
  size_t bytes() const { return data_.bytes(); }
  // Elements of `precision`, as drawn above.
  const void* data() const { return data_.data(); }

 private:
  int64_t outputs_ = 0;
  int64_t inputs_ = 0;
  Precision precision_ = Precision::kFloat32;
  AlignedBuffer<std::byte> data_;
  CompactMatrix compact_;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_WEIGHT_MATRIX_H_
