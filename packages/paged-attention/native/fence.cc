#include "fence.h"

#include "node/error.h"

namespace vattention::paged_attention {
namespace {

// Random: tells our fences from other externals.
constexpr napi_type_tag kFenceTag = {0x5b7c0f3ad1e64982, 0xa6f2184bc9d07e35};

struct OwnedFence {
  const vattn_cache_api* api;
  vattn_fence* fence;
};

const OwnedFence& Unwrap(const Napi::Value& value) {
  if (value.IsExternal()) {
    const auto external = value.As<Napi::External<OwnedFence>>();
    if (external.CheckTypeTag(&kFenceTag)) return *external.Data();
  }
  node::ThrowInvalidArgument(value.Env(), "Expected a fence of a paged cache.");
}

}  // namespace

Napi::Value WrapFence(Napi::Env env, const vattn_cache_api* api, vattn_fence* fence) {
  auto external = Napi::External<OwnedFence>::New(env, new OwnedFence{api, fence},
                                                  [](Napi::Env, OwnedFence* owned) {
                                                    owned->api->fence_release(owned->fence);
                                                    delete owned;
                                                  });
  external.TypeTag(&kFenceTag);
  return external;
}

vattn_fence* UnwrapFence(const Napi::Value& value) {
  return value.IsUndefined() ? nullptr : Unwrap(value).fence;
}

Napi::Value FenceDone(const Napi::CallbackInfo& info) {
  const OwnedFence& owned = Unwrap(info[0]);
  return Napi::Boolean::New(info.Env(), owned.api->fence_done(owned.fence) != 0);
}

}  // namespace vattention::paged_attention
