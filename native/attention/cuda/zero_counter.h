// A counter of a kernel's tiles set back to zero, in stream order.
#ifndef VATTENTION_ATTENTION_CUDA_ZERO_COUNTER_H_
#define VATTENTION_ATTENTION_CUDA_ZERO_COUNTER_H_

#include <cuda_runtime_api.h>

namespace vattention::attention::cuda {

// By a kernel and not by a memset: a graph of nothing but kernels in a row is launched as one
// piece, and one that has a memset for each layer costs the calling thread four times as much.
void ZeroCounter(int* counter, cudaStream_t stream);

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_ZERO_COUNTER_H_
