// merge(records, count): records [count x (output, lse), output, lse or none] (tensor_record.h).
#ifndef VATTENTION_CPU_ADDON_MERGE_H_
#define VATTENTION_CPU_ADDON_MERGE_H_

#include <napi.h>

namespace vattention::cpu_addon {

void Merge(const Napi::CallbackInfo& info);

}  // namespace vattention::cpu_addon

#endif  // VATTENTION_CPU_ADDON_MERGE_H_
