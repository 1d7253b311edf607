#include <cmath>

#include "plain_attention.h"

namespace own_engine {
namespace {

constexpr int64_t kHistory = int64_t{kLayers} * kMaxLength * kKvRow;  // elements of a sequence

__device__ float Score(const __nv_bfloat16* query, const __nv_bfloat16* key) {
  float sum = 0;
  for (int i = 0; i < kHeadDim; ++i) sum += __bfloat162float(query[i]) * __bfloat162float(key[i]);
  return sum * rsqrtf(static_cast<float>(kHeadDim));
}

// A block is a row and a head, a thread one element of its output. Every thread computes all
// scores, twice: slow, and hard to get wrong.
__global__ void CompareKernel(const __nv_bfloat16* query, const __nv_bfloat16* keys,
                              const __nv_bfloat16* values, const __nv_bfloat16* output,
                              int kv_length, float* worst) {
  const int rows = static_cast<int>(gridDim.x);
  const int seen = kv_length - rows + static_cast<int>(blockIdx.x) + 1;  // causal: itself included
  const int64_t at = (int64_t{blockIdx.x} * kQueryHeads + blockIdx.y) * kHeadDim;
  const int64_t kv_head = blockIdx.y / (kQueryHeads / kKvHeads) * kHeadDim;
  float highest = -INFINITY;
  for (int64_t j = 0; j < seen; ++j) {
    highest = fmaxf(highest, Score(query + at, keys + j * kKvRow + kv_head));
  }
  float total = 0;
  float sum = 0;
  for (int64_t j = 0; j < seen; ++j) {
    const float weight = expf(Score(query + at, keys + j * kKvRow + kv_head) - highest);
    total += weight;
    sum += weight * __bfloat162float(values[j * kKvRow + kv_head + threadIdx.x]);
  }
  const float difference = fabsf(sum / total - __bfloat162float(output[at + threadIdx.x]));
  // Floats that are not negative are ordered as their bits are; NaN is above all.
  atomicMax(reinterpret_cast<int*>(worst), __float_as_int(difference));
}

}  // namespace

PlainAttention::PlainAttention(cudaStream_t stream)
    : stream_(stream),
      keys_(kMaxSequences * kHistory),
      values_(kMaxSequences * kHistory),
      worst_(1) {
  CheckCuda(cudaMemsetAsync(worst_.data(), 0, sizeof(float), stream_), "cudaMemsetAsync");
}

void PlainAttention::Copy(int32_t from, int32_t to) {
  for (__nv_bfloat16* data : {keys_.data(), values_.data()}) {
    CheckCuda(cudaMemcpyAsync(data + to * kHistory, data + from * kHistory,
                              kHistory * sizeof(__nv_bfloat16), cudaMemcpyDeviceToDevice, stream_),
              "cudaMemcpyAsync");
  }
}

void PlainAttention::Compare(int32_t layer, const PassRows& rows, const vattn_tensor& query,
                             const vattn_tensor& key, const vattn_tensor& value,
                             const vattn_tensor& output) {
  const auto row = [&](const vattn_tensor& tensor) {
    return static_cast<__nv_bfloat16*>(tensor.data) + rows.first_row * tensor.stride[0];
  };
  const int64_t history = rows.history * kHistory + layer * kMaxLength * kKvRow;
  const int64_t start = history + int64_t{rows.kv_length - rows.rows} * kKvRow;
  const size_t bytes = static_cast<size_t>(rows.rows) * kKvRow * sizeof(__nv_bfloat16);
  CheckCuda(
      cudaMemcpyAsync(keys_.data() + start, row(key), bytes, cudaMemcpyDeviceToDevice, stream_),
      "cudaMemcpyAsync");
  CheckCuda(
      cudaMemcpyAsync(values_.data() + start, row(value), bytes, cudaMemcpyDeviceToDevice, stream_),
      "cudaMemcpyAsync");
  const dim3 grid(static_cast<uint32_t>(rows.rows), kQueryHeads);
  CompareKernel<<<grid, kHeadDim, 0, stream_>>>(row(query), keys_.data() + history,
                                                values_.data() + history, row(output),
                                                rows.kv_length, worst_.data());
  CheckCuda(cudaGetLastError(), "CompareKernel");
}

float PlainAttention::WorstDifference() const {
  float worst = 0;
  CheckCuda(cudaMemcpyAsync(&worst, worst_.data(), sizeof(worst), cudaMemcpyDeviceToHost, stream_),
            "cudaMemcpyAsync");
  CheckCuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  return worst;
}

}  // namespace own_engine
