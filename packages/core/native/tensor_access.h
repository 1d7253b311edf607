// Tensors by address, read into and written from typed arrays.
#ifndef VATTENTION_CORE_TENSOR_ACCESS_H_
#define VATTENTION_CORE_TENSOR_ACCESS_H_

#include <napi.h>

namespace vattention::core {

// (record, values, direct): see src/addon.ts.
void ReadTensor(const Napi::CallbackInfo& info);
void WriteTensor(const Napi::CallbackInfo& info);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_TENSOR_ACCESS_H_
