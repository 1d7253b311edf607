// Copies between strided tensors on a GPU and dense memory of the host.
#ifndef VATTENTION_CORE_DEVICE_COPY_H_
#define VATTENTION_CORE_DEVICE_COPY_H_

#include <cstddef>
#include <cstdint>

#include "strided_copy.h"
#include "vattention/device.h"
#include "vattention/status.h"

namespace vattention::core {

// As CopyStrided, for a tensor on a CUDA device: waits for everything that was given to the device
// before, and is done when it returns. VATTN_UNSUPPORTED without the device,
// VATTN_INVALID_ARGUMENT for memory that is not mapped, VATTN_DEVICE_ERROR.
vattn_status CopyOnDevice(const vattn_tensor& tensor, size_t element_bytes, uint8_t* dense,
                          CopyDirection direction, vattn_error* error);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_DEVICE_COPY_H_
