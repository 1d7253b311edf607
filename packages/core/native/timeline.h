// `Timeline` in JavaScript: a vattn_timeline whose memory outlives everybody who looks at it.
#ifndef VATTENTION_CORE_TIMELINE_H_
#define VATTENTION_CORE_TIMELINE_H_

#include <napi.h>

#include <map>
#include <memory>
#include <vector>

#include "vattention/device.h"

namespace vattention::core {

// By address: caches and fences find the timeline of a stream here and keep it alive. One per
// environment; JavaScript thread only.
class TimelineRegistry {
 public:
  std::shared_ptr<vattn_timeline> Create();
  // The timeline that `stream` names, nullptr when somebody else owns it or it is not one.
  std::shared_ptr<vattn_timeline> Find(const vattn_stream& stream);
  std::vector<std::shared_ptr<vattn_timeline>> All() const;

 private:
  std::map<uint64_t, std::weak_ptr<vattn_timeline>> timelines_;
};

class Timeline : public Napi::ObjectWrap<Timeline> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Timeline(const Napi::CallbackInfo& info);

 private:
  Napi::Value GetAddress(const Napi::CallbackInfo& info);
  Napi::Value GetSubmitted(const Napi::CallbackInfo& info);
  Napi::Value GetCompleted(const Napi::CallbackInfo& info);
  Napi::Value Submit(const Napi::CallbackInfo& info);
  void Complete(const Napi::CallbackInfo& info);

  std::shared_ptr<vattn_timeline> timeline_;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_TIMELINE_H_
