// Structured events of a cache: a ring of the last ones and one listener. Text goes nowhere.
#ifndef VATTENTION_NATIVE_MEMORY_TRACE_H_
#define VATTENTION_NATIVE_MEMORY_TRACE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

#include "vattention/contiguous_cache.h"

namespace vattention::memory {

enum class EventThread : int32_t { kCaller = 0, kMapper = 1 };

// Thread-safe.
class Trace {
 public:
  // `capacity`: events kept; 0 keeps none.
  explicit Trace(uint32_t capacity);

  // Nanoseconds since it was made, monotonic.
  int64_t Now() const;
  // Whether anybody wants events; without, Emit is a load.
  bool enabled() const { return enabled_.load(std::memory_order_relaxed); }
  // An event that began at `start_ns` and ends now.
  void Emit(vattn_event_kind kind, EventThread thread, int64_t start_ns, int32_t slot,
            uint64_t bytes, int64_t count);
  // The newest events, oldest first; returns how many were copied.
  int32_t Read(vattn_event* events, int32_t capacity) const;
  // See vattn_events_listen. The listener runs under the lock, so it is never called after this
  // returned.
  void Listen(vattn_event_callback callback, void* context);

 private:
  const std::chrono::steady_clock::time_point origin_;
  std::atomic<bool> enabled_;
  mutable std::mutex mutex_;
  std::vector<vattn_event> ring_;
  uint64_t next_ = 0;  // events ever written; the ring holds the last ring_.size() of them
  vattn_event_callback callback_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_TRACE_H_
