// Fences in JavaScript: externals that own a vattn_fence.
#ifndef VATTENTION_PAGED_ATTENTION_FENCE_H_
#define VATTENTION_PAGED_ATTENTION_FENCE_H_

#include <napi.h>

#include "vattention/kv_cache.h"

namespace vattention::paged_attention {

// Takes over `fence`, which goes with the external.
Napi::Value WrapFence(Napi::Env env, const vattn_cache_api* api, vattn_fence* fence);
// The fence of an argument; nullptr for undefined.
vattn_fence* UnwrapFence(const Napi::Value& value);
// fenceDone(fence): boolean
Napi::Value FenceDone(const Napi::CallbackInfo& info);

}  // namespace vattention::paged_attention

#endif  // VATTENTION_PAGED_ATTENTION_FENCE_H_
