#include "async_host.h"

#include <utility>

namespace vattention::core {

struct AsyncHost::Posted {
  std::unique_ptr<Completion> completion;
  bool settles;
};

std::shared_ptr<AsyncHost> AsyncHost::Create(Napi::Env env) {
  std::shared_ptr<AsyncHost> host(new AsyncHost(env));
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "@vattention/core"), 0, 1, nullptr, nullptr,
      host.get(), Run, &host->function_);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, host->function_);
  // Hooks run in reverse order, so the threads end before Node closes the function they call.
  napi_add_env_cleanup_hook(env, End, host.get());
  return host;
}

AsyncHost::~AsyncHost() {
  if (function_ == nullptr) return;
  napi_remove_env_cleanup_hook(env_, End, this);
  End();
}

void AsyncHost::Begin() {
  if (pending_++ == 0 && function_ != nullptr) napi_ref_threadsafe_function(env_, function_);
}

void AsyncHost::Post(std::unique_ptr<Completion> completion, bool settles) {
  auto posted = std::make_unique<Posted>(Posted{std::move(completion), settles});
  std::lock_guard lock(mutex_);
  if (function_ == nullptr) return;
  if (napi_call_threadsafe_function(function_, posted.get(), napi_tsfn_nonblocking) == napi_ok) {
    posted.release();
  }
}

void AsyncHost::Run(napi_env env, napi_value, void* context, void* data) {
  const std::unique_ptr<Posted> posted(static_cast<Posted*>(data));
  if (env == nullptr) return;  // the environment ends: nobody is left to be told
  auto* host = static_cast<AsyncHost*>(context);
  if (posted->settles && --host->pending_ == 0) {
    napi_unref_threadsafe_function(env, host->function_);
  }
  const Napi::HandleScope scope(env);
  try {
    posted->completion->Complete(env);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();  // Node reports it as an uncaught exception
  }
}

void AsyncHost::End(void* host) { static_cast<AsyncHost*>(host)->End(); }

void AsyncHost::End() {
  const auto threads = std::exchange(threads_, {});
  for (HostedThread* thread : threads) thread->Stop();
  std::lock_guard lock(mutex_);
  napi_release_threadsafe_function(std::exchange(function_, nullptr), napi_tsfn_abort);
}

}  // namespace vattention::core
