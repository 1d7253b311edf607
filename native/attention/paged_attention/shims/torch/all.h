// Stands for PyTorch's header of this name. vLLM's kernels include it for their launchers, which
// are compiled nowhere here; the kernels need what it brings along.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_SHIMS_TORCH_ALL_H_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_SHIMS_TORCH_ALL_H_

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_SHIMS_TORCH_ALL_H_
