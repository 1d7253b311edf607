// Matrix products by oneDNN: one primitive per number of rows, made when first needed.
//
// oneDNN chooses kernel and blocking when a primitive is made and takes 0.1-1 ms for it, so row
// counts are rounded up (RoundRows) and the primitives of the counts used last are kept.
#ifndef VATTENTION_OPS_CPU_ONEDNN_MATMUL_H_
#define VATTENTION_OPS_CPU_ONEDNN_MATMUL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "ops/cpu/weight_matrix.h"

namespace vattention::ops {

class OneDnnMatmul {
 public:
  // For matrices of one shape. The number of threads is that of the calling thread's OpenMP team
  // when a primitive is made.
  OneDnnMatmul(int64_t outputs, int64_t inputs, Precision precision);
  ~OneDnnMatmul();

  // The number of rows that is computed for `rows`.
  static int64_t RoundRows(int64_t rows);

  // Makes the primitive for `rows` unless it is there. False when oneDNN has no kernel that reads
  // our layout on this CPU.
  bool Prepare(int64_t rows);
  // The kernel that oneDNN chose for `rows`: "brg:avx512_core_amx". Prepare must have succeeded.
  std::string Implementation(int64_t rows);

  // output = activations x weights. Both arrays must have RoundRows(rows) rows; those from `rows`
  // on are computed from whatever they hold. Prepare(rows) must succeed.
  void Run(const WeightMatrix& weights, const void* activations, int64_t rows, float* output);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What oneDNN says about itself and this machine: "3.2.0" and "avx512_core_amx".
std::string OneDnnVersion();
std::string OneDnnIsa();
// Whether this CPU multiplies bf16 in hardware, as oneDNN sees it.
bool OneDnnHasBfloat16();
// Whether it has tiles for that (AMX), likewise.
bool OneDnnHasAmx();

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_ONEDNN_MATMUL_H_
