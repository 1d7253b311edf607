// The way back to the JavaScript thread, one per environment (the main thread, each worker).
//
// Threads of this addon post completions; they run on the JavaScript thread, in order. While
// something is pending the event loop stays alive. libuv's thread pool is not used: a step that
// waits for a driver never queues behind somebody's file system calls.
#ifndef VATTENTION_CORE_ASYNC_HOST_H_
#define VATTENTION_CORE_ASYNC_HOST_H_

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_set>

namespace vattention::core {

// Something to do on the JavaScript thread. Destroyed without running when the environment ends.
class Completion {
 public:
  virtual ~Completion() = default;
  virtual void Complete(Napi::Env env) = 0;
};

// A thread that must have ended before the environment does.
class HostedThread {
 public:
  virtual ~HostedThread() = default;
  // Returns when the thread has ended. Idempotent; JavaScript thread only.
  virtual void Stop() = 0;
};

class AsyncHost {
 public:
  static std::shared_ptr<AsyncHost> Create(Napi::Env env);
  ~AsyncHost();
  AsyncHost(const AsyncHost&) = delete;
  AsyncHost& operator=(const AsyncHost&) = delete;

  // One more promise that a later Post with `settles` will keep. JavaScript thread only.
  void Begin();
  // Runs `completion` on the JavaScript thread; ends one Begin when it `settles` a promise. Any
  // thread. Dropped when the environment has ended.
  void Post(std::unique_ptr<Completion> completion, bool settles);

  // JavaScript thread only.
  void Add(HostedThread* thread) { threads_.insert(thread); }
  void Remove(HostedThread* thread) { threads_.erase(thread); }

 private:
  explicit AsyncHost(Napi::Env env) : env_(env) {}
  struct Posted;
  static void Run(napi_env env, napi_value function, void* context, void* data);
  static void End(void* host);
  void End();

  const Napi::Env env_;
  std::mutex mutex_;  // guards function_ against End
  napi_threadsafe_function function_ = nullptr;
  size_t pending_ = 0;                         // JavaScript thread only
  std::unordered_set<HostedThread*> threads_;  // JavaScript thread only
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_ASYNC_HOST_H_
