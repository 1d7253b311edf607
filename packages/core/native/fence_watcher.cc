#include "fence_watcher.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace vattention::core {
namespace {

// Fences are counters that somebody else raises, nothing that a thread could sleep on: look soon,
// then less and less often.
constexpr std::chrono::microseconds kShortestPause{20};
constexpr std::chrono::microseconds kLongestPause{1000};

}  // namespace

class FenceWatcher::Promised final : public Awaited {
 public:
  Promised(Napi::Env env, std::shared_ptr<const SharedFence> fence)
      : deferred_(Napi::Promise::Deferred::New(env)), fence_(std::move(fence)) {}
  bool Done() const override { return fence_->Done(); }
  bool settles() const override { return true; }
  Napi::Promise Promise() const { return deferred_.Promise(); }
  void Complete(Napi::Env env) override { deferred_.Resolve(env.Undefined()); }

 private:
  const Napi::Promise::Deferred deferred_;
  const std::shared_ptr<const SharedFence> fence_;
};

FenceWatcher::FenceWatcher(std::shared_ptr<AsyncHost> host) : host_(std::move(host)) {}

FenceWatcher::~FenceWatcher() { Stop(); }

Napi::Promise FenceWatcher::Watch(Napi::Env env, std::shared_ptr<const SharedFence> fence) {
  auto promised = std::make_unique<Promised>(env, std::move(fence));
  const Napi::Promise promise = promised->Promise();
  Watch(std::move(promised));
  return promise;
}

void FenceWatcher::Watch(std::unique_ptr<Awaited> awaited) {
  if (stop_) return;  // written on this thread
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { Loop(); });
    host_->Add(this);
  }
  if (awaited->settles()) host_->Begin();
  {
    std::lock_guard lock(mutex_);
    added_.push_back(std::move(awaited));
  }
  wake_.notify_one();
}

void FenceWatcher::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  if (!thread_.joinable()) return;
  host_->Remove(this);
  wake_.notify_one();
  thread_.join();
}

void FenceWatcher::Loop() {
  std::vector<std::unique_ptr<Awaited>> watched;
  auto pause = kShortestPause;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto woken = [this] { return stop_ || !added_.empty(); };
      if (watched.empty()) {
        wake_.wait(lock, woken);
      } else {
        wake_.wait_for(lock, pause, woken);
      }
      if (stop_) return;
      if (!added_.empty()) pause = kShortestPause;
      std::move(added_.begin(), added_.end(), std::back_inserter(watched));
      added_.clear();
    }
    const auto waiting = std::partition(watched.begin(), watched.end(),
                                        [](const auto& awaited) { return !awaited->Done(); });
    pause = waiting == watched.end() ? std::min(pause * 2, kLongestPause) : kShortestPause;
    for (auto done = waiting; done != watched.end(); ++done) {
      const bool settles = (*done)->settles();
      host_->Post(std::move(*done), settles);
    }
    watched.erase(waiting, watched.end());
  }
}

}  // namespace vattention::core
