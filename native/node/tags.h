// How addons meet: JavaScript carries the C tables of one addon to another in externals. The type
// tag proves what an external points to; the table says which ABI it was built for.
//
//   cache addon:    native = WrapCache(env, ref)            -> KvCache.native
//   backend addon:  native = WrapBackend(env, &kBackend)    -> AttentionBackend.native
//   any addon:      const vattn_cache_ref& ref = UnwrapCache(value)
#ifndef VATTENTION_NATIVE_NODE_TAGS_H_
#define VATTENTION_NATIVE_NODE_TAGS_H_

#include <napi.h>

#include <string>

#include "node/error.h"
#include "vattention/attention.h"
#include "vattention/kv_cache.h"

namespace vattention::node {

// Random, never reused for another layout: a change that `size` and `abi_version` cannot express
// needs a new tag.
inline constexpr napi_type_tag kCacheTag = {0x8d2f4e61c05b47a9, 0xb3a7196e2dd84f10};
inline constexpr napi_type_tag kBackendTag = {0x41c9e07ab6f34d28, 0x9e50d3b8716ca2f4};

// An external with a reference of its own to the cache: retains `ref.cache` now and releases it
// when the external is collected.
inline Napi::Value WrapCache(Napi::Env env, const vattn_cache_ref& ref) {
  ref.api->retain(ref.cache);
  auto external = Napi::External<vattn_cache_ref>::New(env, new vattn_cache_ref(ref),
                                                       [](Napi::Env, vattn_cache_ref* owned) {
                                                         owned->api->release(owned->cache);
                                                         delete owned;
                                                       });
  external.TypeTag(&kCacheTag);
  return external;
}

// An external of a backend's static table.
inline Napi::Value WrapBackend(Napi::Env env, const vattn_backend* backend) {
  auto external = Napi::External<vattn_backend>::New(env, const_cast<vattn_backend*>(backend));
  external.TypeTag(&kBackendTag);
  return external;
}

namespace internal {

inline void CheckAbi(Napi::Env env, const char* what, const char* name, uint32_t abi_version) {
  if (abi_version == VATTN_ABI_VERSION) return;
  ThrowInvalidArgument(env, std::string("The ") + what + " " + name + " was built for C ABI " +
                                std::to_string(abi_version) + ", this package for " +
                                std::to_string(VATTN_ABI_VERSION) +
                                ". Install the same version of all @vattention packages.");
}

template <typename T>
const T* Unwrap(const Napi::Value& value, const napi_type_tag& tag, const char* what) {
  if (value.IsExternal()) {
    const auto external = value.As<Napi::External<T>>();
    if (external.CheckTypeTag(&tag)) return external.Data();
  }
  ThrowInvalidArgument(
      value.Env(), std::string("Expected the `native` of ") + what + ", received something else.");
}

}  // namespace internal

// The cache that `value` carries. Valid while the external lives: whoever keeps it longer calls
// `api->retain`. Throws ERR_VATTENTION_INVALID_ARGUMENT for anything else and for another ABI.
inline const vattn_cache_ref& UnwrapCache(const Napi::Value& value) {
  const auto* ref = internal::Unwrap<vattn_cache_ref>(value, kCacheTag, "a KvCache");
  internal::CheckAbi(value.Env(), "cache", ref->api->name, ref->api->abi_version);
  return *ref;
}

// The backend table that `value` carries: static, valid for ever. Throws as UnwrapCache.
inline const vattn_backend& UnwrapBackend(const Napi::Value& value) {
  const auto* backend = internal::Unwrap<vattn_backend>(value, kBackendTag, "an AttentionBackend");
  internal::CheckAbi(value.Env(), "backend", backend->name, backend->abi_version);
  return *backend;
}

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_TAGS_H_
