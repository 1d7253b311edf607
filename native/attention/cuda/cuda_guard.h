// Nothing thrown passes the C table of a backend on CUDA.
#ifndef VATTENTION_ATTENTION_CUDA_CUDA_GUARD_H_
#define VATTENTION_ATTENTION_CUDA_CUDA_GUARD_H_

#include "attention/common/guard.h"
#include "attention/cuda/cuda_error.h"
#include "attention/cuda/unsupported.h"

namespace vattention::attention::cuda {

// attention::Guard, and what CudaError and Unsupported say.
template <typename Call>
vattn_status CudaGuard(vattn_error* error, Call&& call) {
  return Guard(error, [&] {
    (void)cudaGetLastError();  // somebody else's, that the first launch would take for its own
    try {
      return call();
    } catch (const CudaError& failure) {
      (void)cudaGetLastError();  // an error that can be forgotten is: kernels look for it
      const bool memory = failure.code() == cudaErrorMemoryAllocation;
      return FailDriver(error, memory ? VATTN_OUT_OF_MEMORY : VATTN_DEVICE_ERROR, failure.call(),
                        failure.code(), "%s failed: %s (%s).%s", failure.call(), failure.what(),
                        cudaGetErrorName(failure.code()),
                        memory ? " Lower the plan's limits, or give the cache less." : "");
    } catch (const Unsupported& failure) {
      return Fail(error, VATTN_UNSUPPORTED, "%s", failure.what());
    }
  });
}

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_CUDA_GUARD_H_
