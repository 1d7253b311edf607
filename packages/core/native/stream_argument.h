// A stream as JavaScript hands it over: (deviceType, deviceIndex, handle).
#ifndef VATTENTION_CORE_STREAM_ARGUMENT_H_
#define VATTENTION_CORE_STREAM_ARGUMENT_H_

#include <napi.h>

#include "node/args.h"
#include "vattention/device.h"

namespace vattention::core {

// Arguments [first, first + 3) of a call.
inline vattn_stream ReadStream(const Napi::CallbackInfo& info, size_t first = 0) {
  return {node::Integer<int32_t>(info[first]), node::Integer<int32_t>(info[first + 1]),
          static_cast<uint64_t>(reinterpret_cast<uintptr_t>(node::Address(info[first + 2])))};
}

}  // namespace vattention::core

#endif  // VATTENTION_CORE_STREAM_ARGUMENT_H_
