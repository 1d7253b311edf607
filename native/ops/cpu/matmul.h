// Matrix products whose rows do not depend on each other: the same activations give the same bits
// whatever other rows are in the batch, so that greedy decoding repeats itself.
//
// Three ways to compute, chosen when a Matmul is made by comparing results bit by bit on this
// machine with the given weights:
//
//   kOneDnn        oneDNN for any number of rows: its kernels agree (AVX-512)
//   kOneDnnAndFew  oneDNN for many rows and our own kernel for few: it has less to read and gives
//                  the same bits
//   kRows          RowMatmul for any number: oneDNN has no kernel for our layout (no AVX-512), or
//                  its results depend on the number of rows
//
// Our own kernel for few rows is TileMatmul for compact weights made for tiles, else RowMatmul.
#ifndef VATTENTION_OPS_CPU_MATMUL_H_
#define VATTENTION_OPS_CPU_MATMUL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "ops/cpu/aligned_buffer.h"
#include "ops/cpu/onednn_matmul.h"
#include "ops/cpu/team.h"
#include "ops/cpu/weight_matrix.h"

namespace vattention::ops {

enum class MatmulPath { kOneDnn, kOneDnnAndFew, kRows };

// The form of compact weights that products of this precision want on this CPU. oneDNN's limit on
// instruction sets (ONEDNN_MAX_CPU_ISA) counts here too.
CompactForm PreferredCompactForm(Precision precision);

class Matmul {
 public:
  // For all matrices of the shape and precision of `sample`; `sample` itself is only read here.
  // Everything happens on the thread that is bound to `team`, which must outlive this object.
  Matmul(const WeightMatrix& sample, const Team& team);

  // Rows that arrays given to Run must have for `rows` rows of input.
  static int64_t RoundRows(int64_t rows) { return OneDnnMatmul::RoundRows(rows); }

  // output [rows, outputs] = activations [rows, inputs] x weights. Activations are of the weights'
  // precision. Rows of both arrays from `rows` to RoundRows(rows) may be read and overwritten.
  void Run(const WeightMatrix& weights, const void* activations, int64_t rows, float* output);

  // Makes ready what Run needs for `rows`, which it otherwise does when it meets them first.
  void Prepare(int64_t rows);

  MatmulPath path() const { return path_; }
  size_t workspace_bytes() const { return scratch_.bytes(); }

 private:
  MatmulPath Choose(const WeightMatrix& sample);
  // Whether our own kernel computes so many rows.
  bool IsFew(int64_t rows) const;
  void RunFew(const WeightMatrix& weights, const void* activations, int64_t rows, float* output);
  void RunRows(const WeightMatrix& weights, const void* activations, int64_t rows, float* output);
  void RunTiles(const WeightMatrix& weights, const void* activations, int64_t rows, float* output);
  std::byte* Scratch(int thread);

  const Team& team_;
  OneDnnMatmul onednn_;
  const bool tiles_;                  // compact weights are made for tiles
  size_t scratch_stride_;             // bytes of one thread
  AlignedBuffer<std::byte> scratch_;  // [threads, scratch_stride_]
  MatmulPath path_;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_MATMUL_H_
