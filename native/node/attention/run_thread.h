// The thread of one plan that computes for runAsync: started by the first call, one piece of work
// at a time, ended with the plan or with the environment, whichever is first.
#ifndef VATTENTION_NATIVE_NODE_ATTENTION_RUN_THREAD_H_
#define VATTENTION_NATIVE_NODE_ATTENTION_RUN_THREAD_H_

#include <napi.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace vattention::node {

class RunThread {
 public:
  // `done` runs on the JavaScript thread after each piece of work; not once the environment ends.
  RunThread(Napi::Env env, std::function<void(Napi::Env)> done);
  // Waits for the work at hand.
  ~RunThread();
  RunThread(const RunThread&) = delete;
  RunThread& operator=(const RunThread&) = delete;

  // JavaScript thread, when no work is at hand. Keeps the event loop alive until `done`.
  void Submit(std::function<void()> work);

 private:
  void Loop();
  void Join();
  static void OnEnvironmentEnd(void* self);
  static void OnDone(napi_env env, napi_value function, void* self, void* data);

  const Napi::Env env_;
  const std::function<void(Napi::Env)> done_;
  napi_threadsafe_function back_ = nullptr;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::function<void()> work_;  // guarded by mutex_
  bool stop_ = false;           // guarded by mutex_
  std::thread thread_;
};

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ATTENTION_RUN_THREAD_H_
