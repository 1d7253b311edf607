// ForwardBatch and ForwardResult of src/native.ts as C++ values and back.
#ifndef VATTENTION_ENGINE_ADDON_FORWARD_VALUES_H_
#define VATTENTION_ENGINE_ADDON_FORWARD_VALUES_H_

#include <napi.h>

#include "ops/cpu/forward_batch.h"

namespace vattention::engine_addon {

// Copies everything: JavaScript may change its arrays while the pass runs.
ops::ForwardBatch ReadBatch(const Napi::Object& object);

Napi::Object WriteResult(Napi::Env env, const ops::ForwardResult& result);

}  // namespace vattention::engine_addon

#endif  // VATTENTION_ENGINE_ADDON_FORWARD_VALUES_H_
