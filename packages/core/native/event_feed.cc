#include "event_feed.h"

#include <utility>

namespace vattention::core {

Napi::Float64Array EventNumbers(Napi::Env env, const std::vector<vattn_event>& events) {
  auto numbers = Napi::Float64Array::New(env, events.size() * kEventNumbers);
  double* out = numbers.Data();
  for (const vattn_event& event : events) {
    *out++ = event.kind;
    *out++ = event.slot;
    *out++ = event.thread;
    *out++ = static_cast<double>(event.start_ns);
    *out++ = static_cast<double>(event.duration_ns);
    *out++ = static_cast<double>(event.bytes);
    *out++ = static_cast<double>(event.count);
  }
  return numbers;
}

class EventFeed::Delivery final : public Completion {
 public:
  explicit Delivery(std::shared_ptr<EventFeed> feed) : feed_(std::move(feed)) {}

  void Complete(Napi::Env env) override {
    std::vector<vattn_event> events;
    {
      std::lock_guard lock(feed_->mutex_);
      feed_->posted_ = false;
      events.swap(feed_->events_);
    }
    if (events.empty() || feed_->listener_.IsEmpty()) return;
    feed_->listener_.Call({EventNumbers(env, events)});
  }

 private:
  const std::shared_ptr<EventFeed> feed_;
};

void EventFeed::OnEvent(void* feed, const vattn_event* event) {
  auto* self = static_cast<EventFeed*>(feed);
  {
    std::lock_guard lock(self->mutex_);
    if (self->events_.size() >= kMostEvents) {
      self->events_.erase(self->events_.begin(), self->events_.begin() + kMostEvents / 2);
    }
    self->events_.push_back(*event);
    if (std::exchange(self->posted_, true)) return;
  }
  self->host_->Post(std::make_unique<Delivery>(self->shared_from_this()), false);
}

void EventFeed::Close() {
  std::lock_guard lock(mutex_);
  events_.clear();
  listener_.Reset();
}

}  // namespace vattention::core
