// The addon of @vattention/flashinfer: src/addon.ts describes what it exports.
#include <napi.h>

#include "attention/flashinfer/flashinfer_backend.h"
#include "node/attention/cuda_addon.h"
#include "node/identity.h"

namespace vattention::flashinfer_addon {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  static const node::BackendTable kTable = {vattn_flashinfer_backend(), VATTN_DEVICE_CUDA};
  static const node::BackendTable kHopper = {vattn_flashinfer_hopper_backend(), VATTN_DEVICE_CUDA};
  node::ExportCudaBackend(env, exports, kTable, vattn_flashinfer_built());
  Napi::Object hopper = Napi::Object::New(env);
  node::ExportCudaBackend(env, hopper, kHopper, vattn_flashinfer_hopper_built());
  exports.Set("hopper", hopper);
  return exports;
}

}  // namespace vattention::flashinfer_addon

VATTN_ADDON(::vattention::flashinfer_addon::Init)
