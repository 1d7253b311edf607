// merge(records, count, deviceIndex, stream), the function's data being a BackendTable: records
// [count x (output, lse), output, lse or none] (tensor_record.h).
#ifndef VATTENTION_NATIVE_NODE_ATTENTION_MERGE_H_
#define VATTENTION_NATIVE_NODE_ATTENTION_MERGE_H_

#include <napi.h>

namespace vattention::node {

void Merge(const Napi::CallbackInfo& info);

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ATTENTION_MERGE_H_
