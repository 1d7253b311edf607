// What the addon keeps for one environment (the main thread, each worker): there is no global
// state.
#ifndef VATTENTION_CORE_ENVIRONMENT_H_
#define VATTENTION_CORE_ENVIRONMENT_H_

#include <napi.h>

#include <memory>

#include "async_host.h"
#include "fence_watcher.h"
#include "timeline.h"

namespace vattention::core {

struct Environment {
  explicit Environment(Napi::Env env)
      : host(AsyncHost::Create(env)), watcher(std::make_unique<FenceWatcher>(host)) {}
  static Environment& Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  std::shared_ptr<AsyncHost> host;
  std::unique_ptr<FenceWatcher> watcher;
  TimelineRegistry timelines;
  Napi::FunctionReference fence;  // the constructor of Fence
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_ENVIRONMENT_H_
