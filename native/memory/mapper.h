// The mapper: one thread per cache that does ahead of time what steps would have to wait for.
//
// In this order, one small piece of work at a time:
//   gives back what a lower limit asks for
//   unmaps what left sequences, once its fences have passed
//   maps for the tokens that live sequences will have next
//   keeps free pages ready: creates them, or takes them from parked slots
//   keeps slots mapped for the next prompts
//   zeroes parked pages
// It never waits while it holds a slot. What fails is an event and is tried again, later each time.
#ifndef VATTENTION_NATIVE_MEMORY_MAPPER_H_
#define VATTENTION_NATIVE_MEMORY_MAPPER_H_

#include <array>
#include <cstdint>
#include <thread>

#include "memory/cache_core.h"
#include "memory/growth_plan.h"

namespace vattention::memory {

class Mapper {
 public:
  // Starts the thread. `core` must outlive it. Throws std::system_error when there can be no
  // thread.
  explicit Mapper(CacheCore* core);
  ~Mapper() { Stop(); }
  Mapper(const Mapper&) = delete;
  Mapper& operator=(const Mapper&) = delete;

  // Ends the thread and waits for it; then the other calls do nothing. One thread at a time may
  // call it.
  void Stop();
  // Returns when it rests. Idempotent.
  void Pause();
  void Resume();
  // Returns when it has looked for work after the call and found none that it could do: what waits
  // for fences or failed again remains. VATTN_BUSY while it is paused.
  Status Drain();

 private:
  enum Work : size_t { kShrink, kUnmap, kAhead, kRefill, kIdle, kZero, kWorks };
  struct Backoff {
    int64_t until_ns = 0;
    int64_t delay_ns = 0;
  };

  void Loop();
  void Sleep(Lock* lock);
  bool DoOne(Lock* lock);
  bool Do(Work work, Lock* lock);
  bool Shrink(Lock* lock);
  bool UnmapLeft(Lock* lock);
  bool MapAhead(Lock* lock);
  bool MapAheadOf(Lock* lock, uint32_t sequence_index);
  bool Refill(Lock* lock);
  bool PrepareIdle(Lock* lock);
  bool ZeroParked(Lock* lock);
  bool ZeroSome(Lock* lock, uint32_t slot_index, uint64_t rows);
  // Rows that a slot is prepared with for the next prompt.
  uint64_t IdleRows() const;
  void Failed(Work work, const Status& status, int64_t start_ns);
  void PutOff(Work work);
  void Emit(vattn_event_kind kind, int64_t start_ns, int32_t slot, uint64_t bytes, int64_t count);

  CacheCore* const core_;
  // Guarded by the core's mutex.
  bool stop_ = false;
  bool paused_ = false;
  uint64_t idle_passes_ = 0;  // times it found nothing to do
  std::array<Backoff, kWorks> backoff_{};
  std::thread thread_;
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_MAPPER_H_
