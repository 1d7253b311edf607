// Copies between a strided tensor and dense memory.
#ifndef VATTENTION_CORE_STRIDED_COPY_H_
#define VATTENTION_CORE_STRIDED_COPY_H_

#include <cstddef>
#include <cstdint>

#include "vattention/device.h"

namespace vattention::core {

enum class CopyDirection { kFromTensor, kToTensor };

// Copies all elements of `tensor`, in row-major order, to or from `dense`, which has as many
// elements of `element_bytes`. Memory that is not `direct` is reached through the kernel, so that
// an address that is not mapped, or is protected, is an errno and not a signal; what comes before
// such an address may have been copied. Returns 0 or the errno.
int CopyStrided(const vattn_tensor& tensor, size_t element_bytes, uint8_t* dense,
                CopyDirection direction, bool direct);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_STRIDED_COPY_H_
