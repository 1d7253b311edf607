// Events of a cache that JavaScript has not seen yet: collected on whatever thread they happen,
// taken after each call.
#ifndef VATTENTION_PAGED_ATTENTION_EVENT_QUEUE_H_
#define VATTENTION_PAGED_ATTENTION_EVENT_QUEUE_H_

#include <mutex>
#include <utility>
#include <vector>

#include "vattention/contiguous_cache.h"

namespace vattention::paged_attention {

class EventQueue {
 public:
  // A vattn_event_callback: `queue` is an EventQueue.
  static void OnEvent(void* queue, const vattn_event* event) {
    auto* self = static_cast<EventQueue*>(queue);
    std::lock_guard lock(self->mutex_);
    // When JavaScript never gets its turn, the older half is given up.
    if (self->events_.size() == kMostEvents) {
      self->events_.erase(self->events_.begin(), self->events_.begin() + kMostEvents / 2);
    }
    self->events_.push_back(*event);
  }
  // Moves everything out, oldest first.
  std::vector<vattn_event> Take() {
    std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
  }

 private:
  static constexpr size_t kMostEvents = 1 << 16;
  std::mutex mutex_;
  std::vector<vattn_event> events_;
};

}  // namespace vattention::paged_attention

#endif  // VATTENTION_PAGED_ATTENTION_EVENT_QUEUE_H_
