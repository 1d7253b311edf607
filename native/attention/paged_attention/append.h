// New rows of K and V into blocks of the published layout, in one launch.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_APPEND_H_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_APPEND_H_

#include <cuda_runtime_api.h>

#include "attention/cuda/append.h"
#include "attention/paged_attention/pool.h"

namespace vattention::paged_attention {

// Enqueues it: the rows of `rows`, as DevicePlan::MakeAppend describes them, into blocks of `pool`.
// Throws CudaError.
void AppendToBlocks(const attention::cuda::AppendArguments& rows, const Pool& pool,
                    cudaStream_t stream);

}  // namespace vattention::paged_attention

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_APPEND_H_
