// A failed call of the CUDA runtime, as an exception inside this library and as an error of the C
// ABI outside of it.
#ifndef VATTENTION_ATTENTION_CUDA_CUDA_ERROR_H_
#define VATTENTION_ATTENTION_CUDA_CUDA_ERROR_H_

#include <cuda_runtime_api.h>

#include <exception>

namespace vattention::attention::cuda {

class CudaError : public std::exception {
 public:
  // `call` is a string literal: the function that failed, or what was launched.
  CudaError(cudaError_t code, const char* call) : code_(code), call_(call) {}
  cudaError_t code() const { return code_; }
  const char* call() const { return call_; }
  const char* what() const noexcept override { return cudaGetErrorString(code_); }

 private:
  cudaError_t code_;
  const char* call_;
};

inline void Check(cudaError_t code, const char* call) {
  if (code != cudaSuccess) throw CudaError(code, call);
}

// After a launch. Clears the error, so that nobody else stumbles over it.
inline void CheckLaunch(const char* kernel) { Check(cudaGetLastError(), kernel); }

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_CUDA_ERROR_H_
