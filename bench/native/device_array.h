// Numbers on the device.
#ifndef VATTENTION_BENCH_NATIVE_DEVICE_ARRAY_H_
#define VATTENTION_BENCH_NATIVE_DEVICE_ARRAY_H_

#include <vector>

#include "attention/cuda/device_buffer.h"

namespace vattention::bench {

using attention::cuda::Check;
using attention::cuda::DeviceBuffer;

// A copy of `values`.
template <typename T>
DeviceBuffer Upload(const std::vector<T>& values) {
  const size_t bytes = values.size() * sizeof(T);
  DeviceBuffer buffer(bytes);
  Check(cudaMemcpy(buffer.data(), values.data(), bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  return buffer;
}

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_DEVICE_ARRAY_H_
