// Included before the first line (-include) of everything that contains FlashAttention's launch
// code. That code answers a failed CUDA call with a line on stderr and exit(1):
//
//   fprintf(stderr, "CUDA error (%s:%d): %s\n", ..., cudaGetErrorString(status)); exit(1);
//
// Here the first of these three calls remembers the code, the second says nothing, and the third
// throws a CudaError. The macros take arguments, so that only calls change, and the headers that
// declare these functions come first.
#ifndef VATTENTION_ATTENTION_CUDA_NO_EXIT_H_
#define VATTENTION_ATTENTION_CUDA_NO_EXIT_H_

#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>

#include "attention/cuda/cuda_error.h"

// In the global namespace, and not qualified in the macros, since upstream's calls may be.

inline thread_local cudaError_t vattention_launch_error = cudaErrorUnknown;

inline const char* vattention_remember_launch_error(cudaError_t code) {
  vattention_launch_error = code;
  return (cudaGetErrorString)(code);
}

template <typename... Arguments>
inline int vattention_drop_launch_message(std::FILE*, const Arguments&...) {
  return 0;
}

[[noreturn]] inline void vattention_end_launch(int) {
  throw vattention::attention::cuda::CudaError(vattention_launch_error,
                                               "the launch code of FlashAttention");
}

#define cudaGetErrorString(code) vattention_remember_launch_error(code)
#define fprintf(...) vattention_drop_launch_message(__VA_ARGS__)
#define exit(code) vattention_end_launch(code)

#endif  // VATTENTION_ATTENTION_CUDA_NO_EXIT_H_
