// Stands for PyTorch's header of this name: the two checks that FlashAttention-2's launch code
// makes.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_2_SHIMS_C10_CUDA_CUDAEXCEPTION_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_2_SHIMS_C10_CUDA_CUDAEXCEPTION_H_

#include <cuda_runtime_api.h>

#include "attention/cuda/cuda_error.h"

#define C10_CUDA_CHECK(expression) \
  ::vattention::attention::cuda::Check((expression), "the launch code of FlashAttention")
#define C10_CUDA_KERNEL_LAUNCH_CHECK() C10_CUDA_CHECK(cudaGetLastError())

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_2_SHIMS_C10_CUDA_CUDAEXCEPTION_H_
