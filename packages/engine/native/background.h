// Work on libuv's pool that ends in a promise.
#ifndef VATTENTION_ENGINE_ADDON_BACKGROUND_H_
#define VATTENTION_ENGINE_ADDON_BACKGROUND_H_

#include <napi.h>

#include <exception>
#include <functional>
#include <new>
#include <utility>

#include "ops/cpu/status.h"
#include "status_error.h"

namespace vattention::engine_addon {

class Background : public Napi::AsyncWorker {
 public:
  // Runs `work` off the JavaScript thread; then, on it, settles the promise with `result` or the
  // error that `work` returned. `ended` runs before that in both cases.
  static Napi::Promise Start(Napi::Env env, std::function<ops::Status()> work,
                             std::function<Napi::Value(Napi::Env)> result,
                             std::function<void(Napi::Env)> ended = {}) {
    auto* worker = new Background(env, std::move(work), std::move(result), std::move(ended));
    const Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();  // deletes itself
    return promise;
  }

 protected:
  void Execute() override {
    try {
      status_ = work_();
    } catch (const std::bad_alloc&) {
      status_ =
          ops::Error(VATTN_OUT_OF_MEMORY,
                     "There is not enough memory. Close other programs or use a smaller model.");
    } catch (const std::exception& error) {
      status_ = ops::Error(VATTN_INTERNAL, "%s", error.what());
    }
  }
  void OnOK() override {
    if (ended_) ended_(Env());
    if (status_.ok()) {
      deferred_.Resolve(result_(Env()));
    } else {
      deferred_.Reject(MakeError(Env(), status_).Value());
    }
  }

 private:
  Background(Napi::Env env, std::function<ops::Status()> work,
             std::function<Napi::Value(Napi::Env)> result, std::function<void(Napi::Env)> ended)
      : Napi::AsyncWorker(env, "vattention engine"),
        deferred_(env),
        work_(std::move(work)),
        result_(std::move(result)),
        ended_(std::move(ended)) {}

  Napi::Promise::Deferred deferred_;
  std::function<ops::Status()> work_;
  std::function<Napi::Value(Napi::Env)> result_;
  std::function<void(Napi::Env)> ended_;
  ops::Status status_;
};

}  // namespace vattention::engine_addon

#endif  // VATTENTION_ENGINE_ADDON_BACKGROUND_H_
