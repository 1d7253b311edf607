// Copies between strided tensors, at least one of them on a GPU.
#ifndef VATTENTION_CORE_DEVICE_COPY_H_
#define VATTENTION_CORE_DEVICE_COPY_H_

#include <napi.h>

#include <cstddef>

#include "vattention/device.h"

namespace vattention::core {

// Both tensors have one shape and elements of `element_bytes`. They throw
// ERR_VATTENTION_UNSUPPORTED without a device, ERR_VATTENTION_INVALID_ARGUMENT for memory that is
// not mapped, ERR_VATTENTION_DEVICE.

// Waits for everything that was given to the devices before, and is done when it returns. Throws
// ERR_VATTENTION_BUSY while one of them is capturing.
void CopyNow(Napi::Env env, const vattn_tensor& from, const vattn_tensor& to, size_t element_bytes);

// In the order of a CUDA stream. Memory of the host must be pinned:
// ERR_VATTENTION_INVALID_ARGUMENT.
void CopyInOrder(Napi::Env env, const vattn_tensor& from, const vattn_tensor& to,
                 size_t element_bytes, const vattn_stream& stream);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_DEVICE_COPY_H_
