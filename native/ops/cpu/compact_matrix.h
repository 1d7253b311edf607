// A matrix of weights as small as its file keeps it: 4 or 8 bits each, for products of few rows,
// which take as long as memory needs to deliver the weights.
//
// A weight is scale * q + offset, scale and offset being shared by a group of 32 inputs of one
// output: GGML's Q4_0, Q4_1, Q4_K and Q8_0 are all of this form, exactly. Expanding a group gives
// the very numbers that WeightMatrix holds, so which of the two is multiplied changes no bit.
//
// Blocks of 64 outputs as in WeightMatrix; in a block one group after the other:
//
//   4 bits  scales float[64], offsets float[64], q uint32[4][64]: 8 inputs in each
//   8 bits  scales float[64],                    q uint32[8][64]: 4 inputs in each
#ifndef VATTENTION_OPS_CPU_COMPACT_MATRIX_H_
#define VATTENTION_OPS_CPU_COMPACT_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/cpu/aligned_buffer.h"
#include "ops/cpu/dequantize.h"

namespace vattention::ops {

inline constexpr int64_t kCompactInputs = 32;  // of a group

class CompactMatrix {
 public:
  CompactMatrix() = default;
  CompactMatrix(int64_t outputs, int64_t inputs);

  // Whether rows [first, first + count), stored as `type`, can be kept: the type has the form above
  // and the rows are whole blocks.
  bool Supports(StorageType type, int64_t first, int64_t count) const;
  // Makes room for such rows; returns its bytes. One call at a time.
  size_t Reserve(StorageType type, int64_t first, int64_t count);
  // Packs rows [first, first + count) from their stored bytes; they are of one block, beginning
  // with its first row, and were reserved. Several threads may pack different blocks.
  void Pack(StorageType type, int64_t first, int64_t count, const std::byte* stored);

  // Whether room was made for every block. Until then nothing may be expanded.
  bool complete() const;
  int bits(int64_t block) const { return blocks_[static_cast<size_t>(block)].bits; }
  // Groups of the block, as drawn above.
  const std::byte* data(int64_t block) const { return blocks_[static_cast<size_t>(block)].data; }
  static constexpr size_t GroupBytes(int bits) {
    // Floats of scales and offsets, words of q.
    return 64 * sizeof(float) * (bits == 4 ? 2 + 4 : 1 + 8);
  }

 private:
  struct Block {
    std::byte* data = nullptr;
    int bits = 0;
  };
  int64_t groups() const { return inputs_ / kCompactInputs; }

  int64_t outputs_ = 0;
  int64_t inputs_ = 0;
  std::vector<Block> blocks_;
  std::vector<AlignedBuffer<std::byte>> storage_;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_COMPACT_MATRIX_H_
