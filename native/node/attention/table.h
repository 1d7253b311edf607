// What the bindings of an attention backend need to know of it.
#ifndef VATTENTION_NATIVE_NODE_ATTENTION_TABLE_H_
#define VATTENTION_NATIVE_NODE_ATTENTION_TABLE_H_

#include "vattention/attention.h"

namespace vattention::node {

// Static, as the C table is: objects of JavaScript keep its address.
struct BackendTable {
  const vattn_backend* api;
  int32_t device_type;  // vattn_device_type of its plans
};

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ATTENTION_TABLE_H_
