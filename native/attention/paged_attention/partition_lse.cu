#include <algorithm>
#include <cmath>

#include "attention/cuda/cuda_error.h"
#include "attention/paged_attention/partition_lse.h"

namespace vattention::paged_attention {

namespace {

constexpr int kWarp = 32;
constexpr int kWarps = 4;

// A warp per row of the result.
__global__ void __launch_bounds__(kWarp* kWarps)
    LseKernel(const float* max, const float* sum, const int32_t* length, int64_t rows, int heads,
              int stride, float* lse) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (row >= rows) return;
  const int lane = threadIdx.x % kWarp;
  const int partitions = Partitions(length[row / heads]);
  const float* row_max = max + row * stride;
  const float* row_sum = sum + row * stride;
  float most = -INFINITY;
  for (int p = lane; p < partitions; p += kWarp) most = fmaxf(most, row_max[p]);
  for (int step = kWarp / 2; step > 0; step /= 2) {
    most = fmaxf(most, __shfl_xor_sync(~0u, most, step));
  }
  float total = 0;
  for (int p = lane; p < partitions; p += kWarp) total += row_sum[p] * expf(row_max[p] - most);
  for (int step = kWarp / 2; step > 0; step /= 2) total += __shfl_xor_sync(~0u, total, step);
  if (lane == 0) lse[row] = partitions == 0 ? -INFINITY : most + logf(total);
}

}  // namespace

void EnqueuePartitionLse(const Decode& decode, float* lse, cudaStream_t stream) {
  const int64_t rows = static_cast<int64_t>(decode.sequences) * decode.query_heads;
  if (rows == 0) return;
  LseKernel<<<static_cast<unsigned>((rows + kWarps - 1) / kWarps), kWarp * kWarps, 0, stream>>>(
      decode.partition_max, decode.partition_sum, decode.length, rows, decode.query_heads,
      std::max(1, Partitions(decode.max_length)), lse);
  attention::cuda::CheckLaunch("the log-sum-exp kernel of partitions");
}

}  // namespace vattention::paged_attention
