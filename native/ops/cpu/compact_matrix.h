// A matrix of weights as small as its file keeps it: 4 or 8 bits each, for products of few rows,
// which take as long as memory needs to deliver the weights.
//
// A weight is scale * q + offset, scale and offset being shared by a group of 32 inputs of one
// output: GGML's Q4_0, Q4_1, Q4_K and Q8_0 are all of this form, exactly. Expanding a group gives
// the very numbers that WeightMatrix holds, so which of the two is multiplied changes no bit.
//
// Blocks of 64 outputs as in WeightMatrix, in one of two forms. For vectors (RowMatmul), in which a
// lane is an output, one group after the other:
//
//   4 bits  scales float[64], offsets float[64], q uint32[4][64]: 8 inputs in each
//   8 bits  scales float[64],                    q uint32[8][64]: 4 inputs in each
//
// For tiles (TileMatmul), in which a line is an output, two units of 32 outputs, in each one group
// after the other. Scales are float16 where the file has them so (T), else float32:
//
//   4 bits  scales T[32], offsets T[32], q uint8[16][32]: of an even output and of the next one
//   8 bits  scales T[32],                q int8[32][32]
#ifndef VATTENTION_OPS_CPU_COMPACT_MATRIX_H_
#define VATTENTION_OPS_CPU_COMPACT_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/cpu/aligned_buffer.h"
#include "ops/cpu/dequantize.h"

namespace vattention::ops {

inline constexpr int64_t kCompactInputs = 32;  // of a group

enum class CompactForm { kVectors, kTiles };

class CompactMatrix {
 public:
  static constexpr int64_t kUnitOutputs = 32;

  CompactMatrix() = default;
  CompactMatrix(int64_t outputs, int64_t inputs, CompactForm form);

  CompactForm form() const { return form_; }

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
  // Groups of a block for vectors, as drawn above.
  const std::byte* data(int64_t block) const { return blocks_[static_cast<size_t>(block)].data; }
  static constexpr size_t GroupBytes(int bits) {
    // Floats of scales and offsets, words of q.
    return 64 * sizeof(float) * (bits == 4 ? 2 + 4 : 1 + 8);
  }
  // Groups of a unit for tiles.
  const std::byte* unit(int64_t unit) const;
  bool half_scales(int64_t block) const { return blocks_[static_cast<size_t>(block)].half_scales; }
  static constexpr size_t UnitGroupBytes(int bits, bool half_scales) {
    const size_t scale = half_scales ? sizeof(uint16_t) : sizeof(float);
    return kUnitOutputs * (bits == 4 ? 2 * scale + kCompactInputs / 2 : scale + kCompactInputs);
  }

 private:
  struct Block {
    std::byte* data = nullptr;
    int bits = 0;
    bool half_scales = false;
  };
  int64_t groups() const { return inputs_ / kCompactInputs; }
  size_t BlockBytes(const Block& block) const;
  void PackForVectors(const Block& block, int64_t group, int64_t output,
                      const QuantizedGroup& weights);
  void PackForTiles(const Block& block, int64_t group, int64_t output,
                    const QuantizedGroup& weights);

  int64_t outputs_ = 0;
  int64_t inputs_ = 0;
  CompactForm form_ = CompactForm::kVectors;
  std::vector<Block> blocks_;
  std::vector<AlignedBuffer<std::byte>> storage_;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_COMPACT_MATRIX_H_
