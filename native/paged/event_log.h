// What a cache did, for people: a ring of the last events, and a queue of those that a listener has
// not been given yet. Written under the cache's lock, so that order is the order of what happened.
#ifndef VATTENTION_NATIVE_PAGED_EVENT_LOG_H_
#define VATTENTION_NATIVE_PAGED_EVENT_LOG_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "vattention/paged_cache.h"

namespace vattention::paged {

// The last `capacity` events. All its memory is taken when it is made.
class EventRing {
 public:
  explicit EventRing(size_t capacity) : events_(capacity) {}

  bool enabled() const { return !events_.empty(); }
  void Push(const vattn_event& event) noexcept {
    events_[(first_ + count_) % events_.size()] = event;
    if (count_ < events_.size()) {
      ++count_;
    } else {
      first_ = (first_ + 1) % events_.size();
    }
  }
  // Copies the newest, oldest of them first; returns how many.
  int32_t Newest(vattn_event* to, int32_t capacity) const {
    const size_t count = std::min(count_, static_cast<size_t>(std::max(capacity, 0)));
    Copy(count_ - count, count, to);
    return static_cast<int32_t>(count);
  }
  // Moves the oldest; returns how many.
  int32_t Take(vattn_event* to, int32_t capacity) {
    const size_t count = std::min(count_, static_cast<size_t>(std::max(capacity, 0)));
    if (count == 0) return 0;
    Copy(0, count, to);
    first_ = (first_ + count) % events_.size();
    count_ -= count;
    return static_cast<int32_t>(count);
  }

 private:
  void Copy(size_t from, size_t count, vattn_event* to) const {
    for (size_t i = 0; i < count; ++i) to[i] = events_[(first_ + from + i) % events_.size()];
  }

  std::vector<vattn_event> events_;
  size_t first_ = 0;
  size_t count_ = 0;
};

// Not thread-safe: the owner locks.
class EventLog {
 public:
  using Clock = std::chrono::steady_clock;

  // Keeps the last `trace_events`; queues events for TakePending when `notify`.
  EventLog(int32_t trace_events, bool notify)
      : epoch_(Clock::now()),
        trace_(static_cast<size_t>(trace_events)),
        pending_(notify ? kMostPending : 0) {}

  // `start`: when the work began; it ends now. `slot` is -1 for work of no single sequence.
  void Add(vattn_event_kind kind, Clock::time_point start, int32_t slot, uint64_t bytes,
           int64_t count) noexcept {
    if (!trace_.enabled() && !pending_.enabled()) return;
    const vattn_event event = {.size = sizeof(vattn_event),
                               .kind = kind,
                               .slot = slot,
                               .thread = 0,
                               .start_ns = Nanoseconds(start - epoch_),
                               .duration_ns = Nanoseconds(Clock::now() - start),
                               .bytes = bytes,
                               .count = count};
    if (trace_.enabled()) trace_.Push(event);
    if (pending_.enabled()) pending_.Push(event);
  }

  const EventRing& trace() const { return trace_; }
  EventRing& pending() { return pending_; }

 private:
  // A listener drains after every call; no call leaves this many.
  static constexpr size_t kMostPending = 4096;

  static int64_t Nanoseconds(Clock::duration duration) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
  }

  Clock::time_point epoch_;
  EventRing trace_;
  EventRing pending_;
};

}  // namespace vattention::paged

#endif  // VATTENTION_NATIVE_PAGED_EVENT_LOG_H_
