// A GPU's context, and how its driver's answers become ours.
#ifndef VATTENTION_NATIVE_MEMORY_CUDA_CONTEXT_H_
#define VATTENTION_NATIVE_MEMORY_CUDA_CONTEXT_H_

#include <memory>
#include <string>

#include "memory/cuda_api.h"
#include "memory/driver.h"

namespace vattention {

namespace cuda {

// What a call that did not succeed means.
DriverStatus Failed(const char* call, Result result);
inline DriverStatus Check(const char* call, Result result) {
  return result == kSuccess ? DriverStatus{} : Failed(call, result);
}

inline Stream StreamOf(vattn_stream stream) {
  return reinterpret_cast<Stream>(static_cast<uintptr_t>(stream.handle));
}

}  // namespace cuda

// A device's primary context, which the CUDA runtime and every library share. Kept as long as
// anything refers to it; events outlive their driver.
class CudaContext {
 public:
  // nullptr and words in *why when the device cannot be used.
  static std::shared_ptr<CudaContext> Make(int device_index, std::string* why);
  ~CudaContext();
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  const cuda::Api& api() const { return *api_; }
  int device_index() const { return index_; }
  cuda::Context handle() const { return context_; }
  int Attribute(int attribute) const;
  // Of this device. Whether what it is given now is not run but recorded into a graph. Needs a
  // Scope; breaks no capture.
  bool IsCapturing(cuda::Stream stream) const;

  // Makes the context the calling thread's for as long as it lives. Meanwhile the thread may also
  // do what others must not while somebody records a graph (asking events, allocating): what is
  // done here never touches a stream that is being captured.
  class Scope {
   public:
    explicit Scope(const CudaContext& context) : context_(context) {
      context_.api().context_push(context_.context_);
      context_.api().exchange_capture_mode(&mode_);
    }
    ~Scope() {
      context_.api().exchange_capture_mode(&mode_);
      cuda::Context popped;
      context_.api().context_pop(&popped);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    const CudaContext& context_;
    int mode_ = cuda::kCaptureRelaxed;  // the thread's other mode
  };

 private:
  CudaContext(const cuda::Api* api, int index, cuda::DeviceIndex device)
      : api_(api), index_(index), device_(device) {}

  const cuda::Api* const api_;
  const int index_;
  const cuda::DeviceIndex device_;
  cuda::Context context_ = nullptr;
};

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_CUDA_CONTEXT_H_
