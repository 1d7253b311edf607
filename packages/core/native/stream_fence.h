// Fences of streams that no cache needs to know.
#ifndef VATTENTION_CORE_STREAM_FENCE_H_
#define VATTENTION_CORE_STREAM_FENCE_H_

#include <napi.h>

namespace vattention::core {

// Both: see src/addon.ts.
Napi::Value RecordStreamFence(const Napi::CallbackInfo& info);
void MakeStreamWait(const Napi::CallbackInfo& info);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_STREAM_FENCE_H_
