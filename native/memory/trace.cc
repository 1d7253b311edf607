#include "memory/trace.h"

#include <algorithm>
#include <cstring>

namespace vattention::memory {

Trace::Trace(uint32_t capacity)
    : origin_(std::chrono::steady_clock::now()), enabled_(capacity > 0), ring_(capacity) {}

int64_t Trace::Now() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() -
                                                              origin_)
      .count();
}

void Trace::Emit(vattn_event_kind kind, EventThread thread, int64_t start_ns, int32_t slot,
                 uint64_t bytes, int64_t count) {
  if (!enabled()) return;
  vattn_event event;
  std::memset(&event, 0, sizeof(event));
  event.size = sizeof(event);
  event.kind = kind;
  event.slot = slot;
  event.thread = static_cast<int32_t>(thread);
  event.start_ns = start_ns;
  event.duration_ns = Now() - start_ns;
  event.bytes = bytes;
  event.count = count;
  std::lock_guard lock(mutex_);
  if (!ring_.empty()) ring_[next_++ % ring_.size()] = event;
  if (callback_ != nullptr) callback_(context_, &event);
}

int32_t Trace::Read(vattn_event* events, int32_t capacity) const {
  if (capacity <= 0 || events == nullptr) return 0;
  std::lock_guard lock(mutex_);
  const uint64_t kept = std::min<uint64_t>(next_, ring_.size());
  const uint64_t count = std::min<uint64_t>(kept, static_cast<uint64_t>(capacity));
  for (uint64_t i = 0; i < count; ++i) events[i] = ring_[(next_ - count + i) % ring_.size()];
  return static_cast<int32_t>(count);
}

void Trace::Listen(vattn_event_callback callback, void* context) {
  std::lock_guard lock(mutex_);
  callback_ = callback;
  context_ = context;
  enabled_.store(!ring_.empty() || callback != nullptr, std::memory_order_relaxed);
}

}  // namespace vattention::memory
