// Copies between tensors of any strides, where a GPU takes part.
#ifndef VATTENTION_CORE_TENSOR_COPY_H_
#define VATTENTION_CORE_TENSOR_COPY_H_

#include <napi.h>

namespace vattention::core {

// (records, element bytes, stream or nothing): see src/addon.ts.
void CopyTensor(const Napi::CallbackInfo& info);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_TENSOR_COPY_H_
