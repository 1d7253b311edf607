// Options of a cache as TypeScript hands them over: validated, defaults filled in.
#ifndef VATTENTION_PAGED_ATTENTION_OPTIONS_H_
#define VATTENTION_PAGED_ATTENTION_OPTIONS_H_

#include <napi.h>

#include <string>

#include "vattention/paged_cache.h"

namespace vattention::paged_attention {

// vattn_paged_options and what they point to.
class Options {
 public:
  explicit Options(const Napi::Object& object);
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  const vattn_paged_options* get() const { return &options_; }
  // Whether JavaScript listens to events.
  bool notify_events() const { return notify_events_; }

 private:
  vattn_paged_options options_ = {};
  vattn_fault_plan faults_ = {};
  std::string cgroup_root_;
  bool notify_events_ = false;
};

vattn_fault_plan FaultPlan(const Napi::Object& object);

// geometry(options): vattn_paged_geometry as an object.
Napi::Value Geometry(const Napi::CallbackInfo& info);

}  // namespace vattention::paged_attention

#endif  // VATTENTION_PAGED_ATTENTION_OPTIONS_H_
