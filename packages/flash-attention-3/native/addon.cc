// The addon of @vattention/flash-attention-3: src/addon.ts describes what it exports.
#include <napi.h>

#include "attention/flash_attention_3/flash_attention_3_backend.h"
#include "node/attention/cuda_addon.h"
#include "node/identity.h"

namespace vattention::flash_attention_3_addon {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  static const node::BackendTable kTable = {vattn_flash_attention_3_backend(), VATTN_DEVICE_CUDA};
  node::ExportCudaBackend(env, exports, kTable, vattn_flash_attention_3_built());
  return exports;
}

}  // namespace vattention::flash_attention_3_addon

VATTN_ADDON(::vattention::flash_attention_3_addon::Init)
