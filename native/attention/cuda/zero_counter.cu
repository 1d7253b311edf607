#include "attention/cuda/cuda_error.h"
#include "attention/cuda/zero_counter.h"

namespace vattention::attention::cuda {

namespace {

__global__ void ZeroKernel(int* counter) { *counter = 0; }

}  // namespace

void ZeroCounter(int* counter, cudaStream_t stream) {
  ZeroKernel<<<1, 1, 0, stream>>>(counter);
  CheckLaunch("the kernel that sets back a counter");
}

}  // namespace vattention::attention::cuda
