#include "timeline.h"

#include <utility>

#include "environment.h"
#include "node/args.h"

namespace vattention::core {

std::shared_ptr<vattn_timeline> TimelineRegistry::Create() {
  auto timeline = std::make_shared<vattn_timeline>();
  timeline->size = sizeof(vattn_timeline);
  std::erase_if(timelines_, [](const auto& entry) { return entry.second.expired(); });
  timelines_[reinterpret_cast<uintptr_t>(timeline.get())] = timeline;
  return timeline;
}

std::shared_ptr<vattn_timeline> TimelineRegistry::Find(const vattn_stream& stream) {
  const auto found = timelines_.find(stream.handle);
  return found == timelines_.end() ? nullptr : found->second.lock();
}

std::vector<std::shared_ptr<vattn_timeline>> TimelineRegistry::All() const {
  std::vector<std::shared_ptr<vattn_timeline>> all;
  for (const auto& [address, timeline] : timelines_) {
    if (auto live = timeline.lock()) all.push_back(std::move(live));
  }
  return all;
}

Napi::Function Timeline::Define(Napi::Env env) {
  return DefineClass(env, "Timeline",
                     {InstanceAccessor<&Timeline::GetAddress>("address"),
                      InstanceAccessor<&Timeline::GetSubmitted>("submitted"),
                      InstanceAccessor<&Timeline::GetCompleted>("completed"),
                      InstanceMethod<&Timeline::Submit>("submit"),
                      InstanceMethod<&Timeline::Complete>("complete")});
}

Timeline::Timeline(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Timeline>(info), timeline_(Environment::Of(info.Env()).timelines.Create()) {}

Napi::Value Timeline::GetAddress(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(),
                           static_cast<uint64_t>(reinterpret_cast<uintptr_t>(timeline_.get())));
}

Napi::Value Timeline::GetSubmitted(const Napi::CallbackInfo& info) {
  const uint64_t submitted = __atomic_load_n(&timeline_->submitted, __ATOMIC_ACQUIRE);
  return Napi::Number::New(info.Env(), static_cast<double>(submitted));
}

Napi::Value Timeline::GetCompleted(const Napi::CallbackInfo& info) {
  const uint64_t completed = __atomic_load_n(&timeline_->completed, __ATOMIC_ACQUIRE);
  return Napi::Number::New(info.Env(), static_cast<double>(completed));
}

Napi::Value Timeline::Submit(const Napi::CallbackInfo& info) {
  const uint64_t work = __atomic_add_fetch(&timeline_->submitted, uint64_t{1}, __ATOMIC_ACQ_REL);
  return Napi::Number::New(info.Env(), static_cast<double>(work));
}

void Timeline::Complete(const Napi::CallbackInfo& info) {
  const auto work = node::Integer<uint64_t>(info[0]);
  uint64_t completed = __atomic_load_n(&timeline_->completed, __ATOMIC_ACQUIRE);
  while (completed < work &&
         !__atomic_compare_exchange_n(&timeline_->completed, &completed, work, false,
                                      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
  }
}

}  // namespace vattention::core
