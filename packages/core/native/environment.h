// What the addon keeps for one environment (the main thread, each worker): there is no global
// state.
#ifndef VATTENTION_CORE_ENVIRONMENT_H_
#define VATTENTION_CORE_ENVIRONMENT_H_

#include <napi.h>

#include <memory>

#include "async_host.h"
#include "cuda_devices.h"
#include "fence_watcher.h"
#include "job_thread.h"
#include "timeline.h"

namespace vattention::core {

struct Environment {
  explicit Environment(Napi::Env env)
      : host(AsyncHost::Create(env)),
        watcher(std::make_shared<FenceWatcher>(host)),
        devices(watcher),
        diagnosis(host) {}
  static Environment& Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  std::shared_ptr<AsyncHost> host;
  std::shared_ptr<FenceWatcher> watcher;
  TimelineRegistry timelines;
  CudaDevices devices;
  JobThread diagnosis;            // measures drivers, one measurement after the other
  Napi::FunctionReference fence;  // the constructor of Fence
  Napi::FunctionReference graph;  // the constructor of Graph
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_ENVIRONMENT_H_
