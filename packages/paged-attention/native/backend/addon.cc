// backend.node of @vattention/paged-attention: src/paged-attention-backend.ts loads it.
#include <napi.h>

#include "attention/paged_attention/paged_attention_backend.h"
#include "node/attention/cuda_addon.h"
#include "node/identity.h"

namespace vattention::paged_attention_addon {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  static const node::BackendTable kTable = {vattn_paged_attention_backend(), VATTN_DEVICE_CUDA};
  node::ExportCudaBackend(env, exports, kTable, vattn_paged_attention_built());
  return exports;
}

}  // namespace vattention::paged_attention_addon

VATTN_ADDON(::vattention::paged_attention_addon::Init)
