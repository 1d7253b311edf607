// A thread that watches points of streams: for promises, and for what is to happen then. Started by
// the first; one per environment.
#ifndef VATTENTION_CORE_FENCE_WATCHER_H_
#define VATTENTION_CORE_FENCE_WATCHER_H_

#include <napi.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "async_host.h"
#include "vattention/kv_cache.h"

namespace vattention::core {

// A fence, released with its last owner.
struct SharedFence {
  const vattn_cache_api* api;
  vattn_fence* fence;
  std::shared_ptr<vattn_timeline> timeline;  // what the fence looks at, when it is one of ours
  SharedFence(const vattn_cache_api* table, vattn_fence* owned,
              std::shared_ptr<vattn_timeline> watched)
      : api(table), fence(owned), timeline(std::move(watched)) {}
  ~SharedFence() { api->fence_release(fence); }
  SharedFence(const SharedFence&) = delete;
  SharedFence& operator=(const SharedFence&) = delete;
  bool Done() const { return api->fence_done(fence) != 0; }
};

// Something to wait for; what completes it runs on the JavaScript thread afterwards.
class Awaited : public Completion {
 public:
  // On any thread. Never blocks.
  virtual bool Done() const = 0;
  // Whether a promise waits for it, so that the event loop has to stay alive.
  virtual bool settles() const { return false; }
};

class FenceWatcher final : public HostedThread {
 public:
  explicit FenceWatcher(std::shared_ptr<AsyncHost> host);
  ~FenceWatcher() override;

  // A promise that resolves once the fence is done. JavaScript thread only.
  Napi::Promise Watch(Napi::Env env, std::shared_ptr<const SharedFence> fence);
  // Dropped when the environment has ended. JavaScript thread only.
  void Watch(std::unique_ptr<Awaited> awaited);
  void Stop() override;

 private:
  class Promised;
  void Loop();

  const std::shared_ptr<AsyncHost> host_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Awaited>> added_;  // guarded by mutex_
  bool stop_ = false;                            // guarded by mutex_
  std::thread thread_;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_FENCE_WATCHER_H_
