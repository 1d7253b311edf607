#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "attention/common/error.h"
#include "attention/common/merge_check.h"
#include "attention/cuda/cuda_error.h"
#include "attention/cuda/device_scope.h"
#include "attention/cuda/merge.h"

namespace vattention::attention::cuda {

namespace {

// So many travel as arguments of the kernel; more go through memory of the device.
constexpr int kMaxPartials = 48;
constexpr int kThreads = 128;

struct Rows {
  void* data;
  int64_t token_stride;
  int64_t head_stride;
  int32_t dtype;
};

struct Partial {
  Rows output;
  Rows lse;
};

struct MergeArguments {
  Partial partials[kMaxPartials];
  const Partial* more;  // [count] on the device, when they are more than kMaxPartials
  Rows to;
  Rows to_lse;  // data is NULL when it is not wanted
  int32_t count;
  int32_t heads;
  int32_t dim;
};
static_assert(sizeof(MergeArguments) <= 4096);

__device__ int64_t Offset(const Rows& rows, int64_t token, int head) {
  return token * rows.token_stride + head * rows.head_stride;
}

__device__ float Load(const Rows& rows, int64_t at) {
  switch (rows.dtype) {
    case VATTN_FLOAT16:
      return __half2float(static_cast<const __half*>(rows.data)[at]);
    case VATTN_BFLOAT16:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(rows.data)[at]);
    default:
      return static_cast<const float*>(rows.data)[at];
  }
}

__device__ void Store(const Rows& rows, int64_t at, float value) {
  switch (rows.dtype) {
    case VATTN_FLOAT16:
      static_cast<__half*>(rows.data)[at] = __float2half_rn(value);
      break;
    case VATTN_BFLOAT16:
      static_cast<__nv_bfloat16*>(rows.data)[at] = __float2bfloat16_rn(value);
      break;
    default:
      static_cast<float*>(rows.data)[at] = value;
  }
}

// A block merges one head of one token.
__global__ void __launch_bounds__(kThreads) MergeKernel(const MergeArguments a) {
  const int64_t token = blockIdx.x / a.heads;
  const int head = static_cast<int>(blockIdx.x % a.heads);
  const Partial* partials = a.more == nullptr ? a.partials : a.more;
  float highest = -INFINITY;
  for (int j = 0; j < a.count; ++j) {
    highest = fmaxf(highest, Load(partials[j].lse, Offset(partials[j].lse, token, head)));
  }
  const bool empty = highest == -INFINITY;
  float sum = 0;
  for (int j = 0; j < a.count; ++j) {
    if (!empty) sum += expf(Load(partials[j].lse, Offset(partials[j].lse, token, head)) - highest);
  }
  for (int i = threadIdx.x; i < a.dim; i += blockDim.x) {
    float value = 0;
    for (int j = 0; j < a.count; ++j) {
      const float lse = Load(partials[j].lse, Offset(partials[j].lse, token, head));
      // What an empty part holds does not count, not even as 0 x NaN.
      if (lse == -INFINITY) continue;
      value += Load(partials[j].output, Offset(partials[j].output, token, head) + i) *
               expf(lse - highest);
    }
    Store(a.to, Offset(a.to, token, head) + i, empty ? 0 : value / sum);
  }
  if (threadIdx.x == 0 && a.to_lse.data != nullptr) {
    Store(a.to_lse, Offset(a.to_lse, token, head), empty ? -INFINITY : highest + logf(sum));
  }
}

Rows RowsOf(const vattn_tensor& tensor) {
  return {tensor.data, tensor.stride[0], tensor.stride[1], tensor.dtype};
}

}  // namespace

vattn_status MergePartialResults(const vattn_partial* partials, int32_t count,
                                 const vattn_tensor* output, const vattn_tensor* lse,
                                 vattn_stream stream, vattn_error* error) {
  const Device device = {VATTN_DEVICE_CUDA, output == nullptr ? 0 : output->device_index};
  if (vattn_status status = CheckMerge(device, partials, count, output, lse, error)) return status;
  if (stream.handle != 0 && stream.device_index != device.index) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "stream: a stream of CUDA device %d required, found one of device %d.",
                device.index, stream.device_index);
  }
  std::vector<Partial> all;
  for (int32_t i = 0; i < count; ++i) {
    all.push_back({RowsOf(partials[i].output), RowsOf(partials[i].lse)});
  }
  MergeArguments arguments{};
  arguments.to = RowsOf(*output);
  if (lse != nullptr) arguments.to_lse = RowsOf(*lse);
  arguments.count = count;
  arguments.heads = static_cast<int32_t>(output->shape[1]);
  arguments.dim = static_cast<int32_t>(output->shape[2]);
  const int64_t blocks = output->shape[0] * output->shape[1];
  if (blocks == 0) return VATTN_OK;
  const DeviceScope scope(device.index);
  const auto on = reinterpret_cast<cudaStream_t>(stream.handle);
  void* more = nullptr;
  if (count <= kMaxPartials) {
    std::copy(all.begin(), all.end(), arguments.partials);
  } else {
    const size_t bytes = all.size() * sizeof(Partial);
    Check(cudaMallocAsync(&more, bytes, on), "cudaMallocAsync");
    // Pageable memory is read before the call returns.
    Check(cudaMemcpyAsync(more, all.data(), bytes, cudaMemcpyHostToDevice, on), "cudaMemcpyAsync");
    arguments.more = static_cast<const Partial*>(more);
  }
  MergeKernel<<<static_cast<unsigned>(blocks), kThreads, 0, on>>>(arguments);
  CheckLaunch("the merge kernel");
  if (more != nullptr) Check(cudaFreeAsync(more, on), "cudaFreeAsync");
  return VATTN_OK;
}

}  // namespace vattention::attention::cuda
