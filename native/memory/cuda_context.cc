#include "memory/cuda_context.h"

namespace vattention {

namespace cuda {

DriverStatus Failed(const char* call, Result result) {
  const bool capture = result >= kFirstCaptureError && result <= kLastCaptureError;
  const vattn_status status = result == kOutOfMemory ? VATTN_OUT_OF_MEMORY
                              : capture              ? VATTN_BUSY
                                                     : VATTN_DEVICE_ERROR;
  return {status, call, result};
}

}  // namespace cuda

std::shared_ptr<CudaContext> CudaContext::Make(int device_index, std::string* why) {
  const cuda::Api* api = cuda::GetApi(why);
  if (api == nullptr) return nullptr;
  int count = 0;
  api->device_count(&count);
  if (device_index < 0 || device_index >= count) {
    *why = "There is no CUDA device " + std::to_string(device_index) + "; this machine has " +
           std::to_string(count) + ".";
    return nullptr;
  }
  cuda::DeviceIndex device = 0;
  api->device_get(&device, device_index);
  std::shared_ptr<CudaContext> context(new CudaContext(api, device_index, device));
  if (context->Attribute(cuda::kAttributeVirtualMemory) == 0) {
    *why = "CUDA device " + std::to_string(device_index) +
           " has no virtual memory management (a vGPU, or a very old GPU).";
    return nullptr;
  }
  if (const cuda::Result result = api->context_retain(&context->context_, device);
      result != cuda::kSuccess) {
    context->context_ = nullptr;
    *why = "CUDA device " + std::to_string(device_index) + " could not be opened: error " +
           std::to_string(result) + ".";
    return nullptr;
  }
  return context;
}

CudaContext::~CudaContext() {
  if (context_ != nullptr) api_->context_release(device_);
}

int CudaContext::Attribute(int attribute) const {
  int value = 0;
  return api_->device_attribute(&value, attribute, device_) == cuda::kSuccess ? value : 0;
}

bool CudaContext::IsCapturing(cuda::Stream stream) const {
  int status = cuda::kCaptureNone;
  const cuda::Result result = api_->stream_is_capturing(stream, &status);
  // The default stream answers for all streams that it waits for.
  return result == cuda::kCaptureImplicit ||
         (result == cuda::kSuccess && status != cuda::kCaptureNone);
}

}  // namespace vattention
