// The calling thread's device, for as long as a call lasts.
#ifndef VATTENTION_ATTENTION_CUDA_DEVICE_SCOPE_H_
#define VATTENTION_ATTENTION_CUDA_DEVICE_SCOPE_H_

#include "attention/cuda/cuda_error.h"

namespace vattention::attention::cuda {

class DeviceScope {
 public:
  explicit DeviceScope(int device) {
    Check(cudaGetDevice(&former_), "cudaGetDevice");
    if (former_ == device) {
      former_ = -1;
    } else {
      Check(cudaSetDevice(device), "cudaSetDevice");
    }
  }
  ~DeviceScope() {
    if (former_ >= 0) cudaSetDevice(former_);
  }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int former_ = -1;
};

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_DEVICE_SCOPE_H_
