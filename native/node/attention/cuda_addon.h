// What the addon of a backend on CUDA exports besides: `built`, what its kernels were compiled for,
// and `devices()`, the GPUs of this machine, both as JSON. attention/cuda-addon.ts describes them.
#ifndef VATTENTION_NATIVE_NODE_ATTENTION_CUDA_ADDON_H_
#define VATTENTION_NATIVE_NODE_ATTENTION_CUDA_ADDON_H_

#include <napi.h>

#include "attention/cuda/devices.h"
#include "node/attention/backend_addon.h"

namespace vattention::node {

inline Napi::Value Devices(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), attention::cuda::DescribeDevices());
}

// `table` lives for ever.
inline void ExportCudaBackend(Napi::Env env, Napi::Object exports, const BackendTable& table,
                              const char* built) {
  ExportBackend(env, exports, table);
  exports.Set("built", built);
  exports.Set("devices", Napi::Function::New<&Devices>(env, "devices"));
}

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ATTENTION_CUDA_ADDON_H_
