// Products of a few rows with a weight matrix, as fast as memory delivers the weights: from the
// matrix itself, or from its compact form (compact_matrix.h), a third of the size, with the same
// bits.
//
// oneDNN's AMX kernels reach less than half of the memory bandwidth when there are only a few rows,
// and its kernels for CPUs without AVX-512 give a row other bits in another batch. This kernel does
// neither: whatever the number of rows, threads or vector lanes, a product is summed in one order:
//
//   bfloat16  inputs in groups of 32; in a group the even ones and the odd ones are summed on their
//             own, ascending; then sum += even + odd. That is what TDPBF16PS does, so the bits
//             equal those of oneDNN's AMX kernels.
//   float32   sum = fma(activation, weight, sum), ascending.
#ifndef VATTENTION_OPS_CPU_ROW_MATMUL_H_
#define VATTENTION_OPS_CPU_ROW_MATMUL_H_

#include <cstddef>
#include <cstdint>

#include "ops/cpu/compact_matrix.h"
#include "ops/cpu/weight_matrix.h"

namespace vattention::ops {

// The most rows of one call: their activations, as floats, share the first-level cache with a block
// of weights.
inline constexpr int64_t kRowMatmulRows = 32;

// Work is shared out in units of this many outputs.
inline constexpr int64_t kRowMatmulUnit = 32;

// Floats of scratch that a thread needs for a matrix of `inputs`.
inline size_t RowMatmulScratch(int64_t inputs) {
  const int64_t group = GroupInputs(Precision::kBfloat16);  // the larger one
  const int64_t padded = (inputs + group - 1) / group * group;
  const int64_t expanded = kCompactInputs * kBlockOutputs;
  return static_cast<size_t>(kRowMatmulRows * (padded + kBlockOutputs) + expanded);
}

struct RowMatmulArgs {
  const WeightMatrix* weights;
  bool compact = false;     // read weights->compact(), which must be complete
  const void* activations;  // [rows, inputs] of the weights' precision
  int64_t rows;             // 1..kRowMatmulRows
  float* output;            // [rows, outputs]
  int64_t first_unit;       // units of kRowMatmulUnit outputs [first_unit, last_unit)
  int64_t last_unit;
  float* scratch;  // RowMatmulScratch(inputs), of the calling thread alone
};

// Computes output[:, first_unit * kRowMatmulUnit ... last_unit * kRowMatmulUnit).
void RowMatmul(const RowMatmulArgs& args);

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_ROW_MATMUL_H_
