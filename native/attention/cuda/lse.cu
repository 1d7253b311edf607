#include <cmath>

#include "attention/cuda/cuda_error.h"
#include "attention/cuda/find_sequence.cuh"
#include "attention/cuda/lse.h"

namespace vattention::attention::cuda {

namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) LseKernel(const LseArguments a) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= static_cast<int64_t>(a.rows) * a.heads) return;
  const int row = static_cast<int>(i / a.heads);
  const int head = static_cast<int>(i % a.heads);
  float lse = a.from[row * a.layout.row_stride + head * a.layout.head_stride] * a.layout.factor;
  if (isinf(lse)) {
    lse = -INFINITY;
  } else if (a.layout.alibi_shift) {
    const int sequence = FindSequence(a.query_start, a.sequences, row);
    const int query = a.query_start[sequence + 1] - a.query_start[sequence];
    const int position = a.kv_length[sequence] - query + row - a.query_start[sequence];
    lse -= a.alibi[head] * position;
  }
  const int64_t to = a.row == nullptr ? a.first_row + row : a.row[row];
  a.to[to * a.to_row_stride + head * a.to_head_stride] = lse;
}

}  // namespace

void WriteLse(const LseArguments& arguments, cudaStream_t stream) {
  const int64_t count = static_cast<int64_t>(arguments.rows) * arguments.heads;
  if (count == 0) return;
  LseKernel<<<static_cast<unsigned>((count + kThreads - 1) / kThreads), kThreads, 0, stream>>>(
      arguments);
  CheckLaunch("the log-sum-exp kernel");
}

}  // namespace vattention::attention::cuda
