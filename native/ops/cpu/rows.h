// What happens to rows of activations between matrix products. Each function handles one row or a
// piece of it; callers share rows out over a Team. Results do not depend on other rows.
//
// Compiled for each instruction set. Sums run over vector lanes, so bits differ between CPUs, not
// between batches.
#ifndef VATTENTION_OPS_CPU_ROWS_H_
#define VATTENTION_OPS_CPU_ROWS_H_

#include <cstdint>

#include "ops/cpu/weight_matrix.h"

namespace vattention::ops {

// to[i] = row[i] * weight[i] / sqrt(mean of squares + epsilon), in `precision`.
void RmsNorm(const float* row, const float* weight, int64_t count, float epsilon,
             Precision precision, void* to);
// The same in float32; `to` may be `row`.
void RmsNormFloat32(const float* row, const float* weight, int64_t count, float epsilon, float* to);

// row[i] += delta[i].
void Add(const float* delta, int64_t count, float* row);

// to[i] = silu(gate[i]) * up[i], silu(x) = x / (1 + exp(-x)), in `precision`.
void SiluMultiply(const float* gate, const float* up, int64_t count, Precision precision, void* to);

// Rounds to bf16, ties to even.
void RoundToBfloat16(const float* from, int64_t count, uint16_t* to);

// Rotates the first `dims` elements of one head in place. cosines and sines: [dims / 2].
void RotateInterleaved(const float* cosines, const float* sines, int64_t dims, float* head);
void RotateHalves(const float* cosines, const float* sines, int64_t dims, float* head);

// What sampling wants to know of a row of logits, in one pass over it.
struct LogitStats {
  int32_t best = 0;       // index of the largest logit; the first of equals
  float largest = 0;      //
  float second = 0;       // largest of the others; -Infinity for a vocabulary of one
  float log_sum_exp = 0;  // log of the sum of exp(logit)
};
LogitStats ScanLogits(const float* logits, int64_t count);

// to[i] = exp((logits[i] - largest) * inverse_temperature).
void SoftmaxWeights(const float* logits, int64_t count, float largest, float inverse_temperature,
                    float* to);

// Sum of `count` floats, at the speed of memory.
float SumFloats(const float* from, int64_t count);

// The instruction set that is used: "AVX3", "AVX2".
const char* RowKernelsTarget();

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_ROWS_H_
