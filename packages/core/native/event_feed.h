// Events of a cache on their way to a JavaScript function: collected on whatever thread they
// happen, delivered in batches.
#ifndef VATTENTION_CORE_EVENT_FEED_H_
#define VATTENTION_CORE_EVENT_FEED_H_

#include <napi.h>

#include <memory>
#include <mutex>
#include <vector>

#include "async_host.h"
#include "vattention/contiguous_cache.h"

namespace vattention::core {

// Doubles per event in JavaScript: vattn_event without `size`.
inline constexpr size_t kEventNumbers = 7;

// `events` as numbers, oldest first.
Napi::Float64Array EventNumbers(Napi::Env env, const std::vector<vattn_event>& events);

class EventFeed : public std::enable_shared_from_this<EventFeed> {
 public:
  EventFeed(std::shared_ptr<AsyncHost> host, Napi::Function listener)
      : host_(std::move(host)), listener_(Napi::Persistent(listener)) {}

  // A vattn_event_callback: `feed` is an EventFeed. Neither blocks nor calls the cache.
  static void OnEvent(void* feed, const vattn_event* event);
  // Forgets what was not delivered yet. JavaScript thread only.
  void Close();

 private:
  class Delivery;
  // When JavaScript never gets its turn, the oldest events are given up beyond this.
  static constexpr size_t kMostEvents = 1 << 16;

  const std::shared_ptr<AsyncHost> host_;
  Napi::FunctionReference listener_;  // JavaScript thread only
  std::mutex mutex_;
  std::vector<vattn_event> events_;  // guarded by mutex_
  bool posted_ = false;              // guarded by mutex_: a delivery is on its way
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_EVENT_FEED_H_
