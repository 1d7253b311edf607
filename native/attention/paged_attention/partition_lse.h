// Log-sum-exps out of what version two of the kernels keeps of its partitions.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_PARTITION_LSE_H_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_PARTITION_LSE_H_

#include <cuda_runtime_api.h>

#include "attention/paged_attention/decode.h"

namespace vattention::paged_attention {

// Enqueues it behind the kernels of `decode`: lse[sequence, query head], natural, -Infinity for an
// empty sequence. Throws CudaError.
void EnqueuePartitionLse(const Decode& decode, float* lse, cudaStream_t stream);

}  // namespace vattention::paged_attention

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_PARTITION_LSE_H_
