#include "device_copy.h"

#include <cstdio>
#include <memory>
#include <string>

#include "memory/cuda_driver.h"
#include "strided_runs.h"

namespace vattention::core {
namespace {

// Rows of `bytes`, `pitch` apart on the device, dense here.
cuda::Copy2d Rows(cuda::DeviceAddress device, size_t pitch, uint8_t* dense, size_t bytes,
                  size_t rows, CopyDirection direction) {
  cuda::Copy2d copy;
  copy.bytes = bytes;
  copy.rows = rows;
  if (direction == CopyDirection::kFromTensor) {
    copy.from_device = device;
    copy.from_pitch = pitch;
    copy.to_type = cuda::kMemoryHost;
    copy.to_host = dense;
    copy.to_pitch = bytes;
  } else {
    copy.from_type = cuda::kMemoryHost;
    copy.from_host = dense;
    copy.from_pitch = bytes;
    copy.to_device = device;
    copy.to_pitch = pitch;
  }
  return copy;
}

vattn_status Fail(vattn_error* error, vattn_status status, const std::string& message,
                  const char* call = "", int code = 0) {
  std::snprintf(error->message, sizeof(error->message), "%s", message.c_str());
  std::snprintf(error->driver_call, sizeof(error->driver_call), "%s", call);
  error->driver_code = code;
  return status;
}

}  // namespace

vattn_status CopyOnDevice(const vattn_tensor& tensor, size_t element_bytes, uint8_t* dense,
                          CopyDirection direction, vattn_error* error) {
  std::string why;
  const std::shared_ptr<CudaContext> context = CudaContext::Make(tensor.device_index, &why);
  if (context == nullptr) return Fail(error, VATTN_UNSUPPORTED, why);
  const CudaContext::Scope scope(*context);
  const cuda::Api& api = context->api();
  if (const cuda::Result result = api.context_synchronize(); result != cuda::kSuccess) {
    return Fail(error, VATTN_DEVICE_ERROR, "The device reports an error of former work.",
                "cuCtxSynchronize", result);
  }
  auto [outer, bytes] = RunsOf(tensor, element_bytes);
  // The innermost of the outer dimensions is one call.
  size_t rows = 1;
  size_t pitch = bytes;
  if (outer > 0) {
    const auto stride = static_cast<size_t>(tensor.stride[outer - 1]) * element_bytes;
    if (stride >= bytes) {
      --outer;
      rows = static_cast<size_t>(tensor.shape[outer]);
      pitch = stride;
    }
  }
  const int failure = ForEachRun(
      tensor, element_bytes, outer, static_cast<uint8_t*>(tensor.data), [&](const uint8_t* run) {
        const auto device = static_cast<cuda::DeviceAddress>(reinterpret_cast<uintptr_t>(run));
        const cuda::Copy2d copy = Rows(device, pitch, dense, bytes, rows, direction);
        dense += rows * bytes;
        return api.copy_rows_now(&copy);
      });
  if (failure == cuda::kSuccess) return VATTN_OK;
  if (failure != cuda::kInvalidValue) {
    return Fail(error, VATTN_DEVICE_ERROR, "Copying between the device and the host failed.",
                "cuMemcpy2D", failure);
  }
  return Fail(error, VATTN_INVALID_ARGUMENT,
              "Expected device memory that can be read and written, found addresses that are not "
              "mapped. Rows of a cache are there once step has backed them.",
              "cuMemcpy2D", failure);
}

}  // namespace vattention::core
