// Attention in plain float64 loops, for results of a GPU, and the numbers that tests compute with.
#ifndef VATTENTION_NATIVE_TESTS_ATTENTION_CUDA_REFERENCE_H_
#define VATTENTION_NATIVE_TESTS_ATTENTION_CUDA_REFERENCE_H_

#include <vector>

#include "tests/attention_cuda_fixture.h"

namespace vattention::testing {

// One sequence's rows in float64.
Result Reference(const Scenario& scenario, uint64_t seed, int32_t layer, uint32_t query,
                 uint32_t kv);

// 16-bit elements as float32.
std::vector<float> ToFloats(const uint16_t* values, size_t count, int32_t dtype);

// How far from the reference a result may be. Weights and outputs are rounded to the dtype: the
// bound is two roundings of numbers up to 1.75.
double OutputBound(int32_t dtype);
// Log-sum-exps are float32 throughout, with the GPU's exponentials; `sums_rounded`: of
// probabilities that were rounded to the dtype, each by half a unit at most.
double LseBound(int32_t dtype, bool sums_rounded);

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_ATTENTION_CUDA_REFERENCE_H_
