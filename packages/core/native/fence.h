// `Fence` in JavaScript.
#ifndef VATTENTION_CORE_FENCE_H_
#define VATTENTION_CORE_FENCE_H_

#include <napi.h>

#include <memory>

#include "fence_watcher.h"

namespace vattention::core {

class Fence : public Napi::ObjectWrap<Fence> {
 public:
  static Napi::Function Define(Napi::Env env);
  // A JavaScript object that owns `fence`.
  static Napi::Object Make(Napi::Env env, std::shared_ptr<const SharedFence> fence);
  // The fence of an argument; nullptr for undefined.
  static vattn_fence* OfArgument(const Napi::Value& value);

  explicit Fence(const Napi::CallbackInfo& info);

 private:
  Napi::Value Done(const Napi::CallbackInfo& info);
  Napi::Value Wait(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo& info);
  const SharedFence& Live(Napi::Env env) const;

  std::shared_ptr<const SharedFence> fence_;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_FENCE_H_
