// The addon's `measureDriverCalls` and `measureMappingCeiling`: see src/addon.ts.
#ifndef VATTENTION_CORE_DRIVER_DIAGNOSIS_H_
#define VATTENTION_CORE_DRIVER_DIAGNOSIS_H_

#include <napi.h>

namespace vattention::core {

Napi::Value MeasureDriverCallsOf(const Napi::CallbackInfo& info);
Napi::Value MeasureMappingCeilingOf(const Napi::CallbackInfo& info);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_DRIVER_DIAGNOSIS_H_
