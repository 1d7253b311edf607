// vattn_contiguous_options from what TypeScript has validated and completed.
#ifndef VATTENTION_CORE_CACHE_OPTIONS_H_
#define VATTENTION_CORE_CACHE_OPTIONS_H_

#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "vattention/contiguous_cache.h"

namespace vattention::core {

// NativeFaults as the C struct.
vattn_fault_plan ReadFaults(const Napi::Object& faults);

// Options, and what they point to. Stays where it is made.
class CacheOptions {
 public:
  explicit CacheOptions(const Napi::Object& options);
  CacheOptions(const CacheOptions&) = delete;
  CacheOptions& operator=(const CacheOptions&) = delete;
  const vattn_contiguous_options* get() const { return &options_; }

 private:
  vattn_contiguous_options options_{};
  std::string cgroup_root_;
  std::optional<vattn_fault_plan> faults_;
};

// The addon's `geometry`: (options) => NativeGeometry.
Napi::Value Geometry(const Napi::CallbackInfo& info);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_CACHE_OPTIONS_H_
