// Streams of the CPU as driver events: a point of a vattn_timeline (device.h).
#ifndef VATTENTION_NATIVE_MEMORY_TIMELINE_H_
#define VATTENTION_NATIVE_MEMORY_TIMELINE_H_

#include <cstdint>
#include <memory>

#include "memory/driver.h"
#include "vattention/device.h"

namespace vattention {

// Counters of a timeline are shared between addons, so they are read with atomic builtins.
inline uint64_t TimelineSubmitted(const vattn_timeline* timeline) {
  return __atomic_load_n(&timeline->submitted, __ATOMIC_ACQUIRE);
}
inline uint64_t TimelineCompleted(const vattn_timeline* timeline) {
  return __atomic_load_n(&timeline->completed, __ATOMIC_ACQUIRE);
}

// Done when the timeline has completed what was submitted when the event was made. The timeline
// must stay alive until then, or until nobody asks any more (StreamRegistry sees to it).
class TimelineEvent final : public DriverEvent {
 public:
  explicit TimelineEvent(const vattn_timeline* timeline)
      : timeline_(timeline), target_(TimelineSubmitted(timeline)) {}
  bool Done() override { return TimelineCompleted(timeline_) >= target_; }

 private:
  const vattn_timeline* timeline_;
  uint64_t target_;
};

// The point that stream 0, the calling thread, is at: its work is done when its calls return.
class DoneEvent final : public DriverEvent {
 public:
  bool Done() override { return true; }
};

// Records an event on a stream of the CPU. VATTN_INVALID_ARGUMENT for another device's stream.
inline DriverStatus RecordTimeline(vattn_stream stream, std::unique_ptr<DriverEvent>* event) {
  if (stream.device_type != VATTN_DEVICE_CPU) {
    return {VATTN_INVALID_ARGUMENT, "record: not a stream of the CPU", 0};
  }
  if (stream.handle == 0) {
    *event = std::make_unique<DoneEvent>();
  } else {
    const auto* timeline =
        reinterpret_cast<const vattn_timeline*>(static_cast<uintptr_t>(stream.handle));
    *event = std::make_unique<TimelineEvent>(timeline);
  }
  return {};
}

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_TIMELINE_H_
