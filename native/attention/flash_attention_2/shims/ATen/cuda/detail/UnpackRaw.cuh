// Stands for PyTorch's header of this name: seed and offset of a random generator's state.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_2_SHIMS_ATEN_CUDA_DETAIL_UNPACKRAW_CUH_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_2_SHIMS_ATEN_CUDA_DETAIL_UNPACKRAW_CUH_

#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <tuple>

namespace at::cuda::philox {

inline __host__ __device__ std::tuple<uint64_t, uint64_t> unpack(PhiloxCudaState state) {
  return {state.seed, state.offset};
}

}  // namespace at::cuda::philox

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_2_SHIMS_ATEN_CUDA_DETAIL_UNPACKRAW_CUH_
