#include "node/attention/run_thread.h"

#include <utility>

namespace vattention::node {

RunThread::RunThread(Napi::Env env, std::function<void(Napi::Env)> done)
    : env_(env), done_(std::move(done)) {
  const napi_value name = Napi::String::New(env, "vattention plan");
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, name, 1, 1, nullptr, nullptr, this, &RunThread::OnDone, &back_);
  if (status != napi_ok) throw Napi::Error::New(env, "No thread-safe function could be made.");
  napi_unref_threadsafe_function(env, back_);
  thread_ = std::thread([this] { Loop(); });
  // Hooks run in reverse order, so the thread ends before the function it calls does.
  napi_add_env_cleanup_hook(env, &RunThread::OnEnvironmentEnd, this);
}

RunThread::~RunThread() {
  if (!thread_.joinable()) return;  // the environment has ended
  napi_remove_env_cleanup_hook(env_, &RunThread::OnEnvironmentEnd, this);
  Join();
  napi_release_threadsafe_function(back_, napi_tsfn_abort);
}

void RunThread::OnEnvironmentEnd(void* self) { static_cast<RunThread*>(self)->Join(); }

void RunThread::Join() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void RunThread::Submit(std::function<void()> work) {
  napi_ref_threadsafe_function(env_, back_);
  {
    const std::lock_guard lock(mutex_);
    work_ = std::move(work);
  }
  wake_.notify_one();
}

void RunThread::Loop() {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || work_; });
      if (!work_) return;
      work = std::exchange(work_, nullptr);
    }
    work();
    napi_call_threadsafe_function(back_, nullptr, napi_tsfn_blocking);
  }
}

void RunThread::OnDone(napi_env env, napi_value, void* self, void*) {
  if (env == nullptr) return;  // the environment ends
  auto* thread = static_cast<RunThread*>(self);
  napi_unref_threadsafe_function(env, thread->back_);
  const Napi::HandleScope scope(env);
  thread->done_(env);
}

}  // namespace vattention::node
