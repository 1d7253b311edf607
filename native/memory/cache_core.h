// The state of a contiguous cache, and the few changes of it that keep several counts in step. The
// operations are in files of their own: step, sequences, sharing, reclaim, limits, mapper, stats.
//
// Locking. `operation` is held by callers whose work may need the driver, one at a time, the mapper
// not included; `mutex` guards the state and is never held during a driver call. Whoever changes
// the mappings of a slot outside the lock marks it busy first; others wait on `changed`. The mapper
// never waits while it holds a slot, so nobody waits in a circle. Order: operation, then mutex.
#ifndef VATTENTION_NATIVE_MEMORY_CACHE_CORE_H_
#define VATTENTION_NATIVE_MEMORY_CACHE_CORE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "memory/cache_config.h"
#include "memory/driver_port.h"
#include "memory/fence.h"
#include "memory/layout.h"
#include "memory/page_pool.h"
#include "memory/sequence_handle.h"
#include "memory/slot.h"
#include "memory/trace.h"

namespace vattention::memory {

using Lock = std::unique_lock<std::mutex>;

// Counters since the cache was made, guarded by the mutex.
struct CacheCounters {
  uint64_t steps = 0;
  uint64_t steps_out_of_memory = 0;
  uint64_t steps_mapped_sync = 0;
  uint64_t adoptions = 0;
  uint64_t evictions = 0;
  uint64_t aliased_tokens = 0;
  uint64_t copied_tokens = 0;
  uint64_t copied_bytes = 0;
  uint64_t step_ns_histogram[40] = {};
};

struct CacheCore {
  CacheCore(CacheConfig resolved, Layout made, std::unique_ptr<Driver> device);

  const CacheConfig config;
  const Layout layout;
  DriverPort port;
  StreamRegistry streams;
  Trace trace;
  uintptr_t base = 0;  // of the reservation; set once, before anybody else sees the cache

  // See vattn_cache_api.revision.
  std::atomic<uint64_t> revision{0};

  std::mutex operation;
  std::mutex mutex;
  std::condition_variable
      changed;  // a slot is not busy any more, the mapper rests, memory came back

  // Everything below is guarded by `mutex`.
  PagePool pool;
  std::vector<Slot> slots;  // [max_sequences]
  SequenceHandles handles;
  std::vector<Sequence> sequences;  // [max_sequences], by the handle's index
  std::list<Condemned> condemned;   // oldest first
  std::unordered_map<vattn_span, Span> spans;
  vattn_span next_span = 1;
  CacheCounters counters;
  uint64_t limit_bytes;           // in force
  uint64_t creating_bytes = 0;    // promised to driver calls in progress
  uint64_t live_mappings = 0;     // charged to the budget
  uint64_t mapping_promises = 0;  // charged by work in progress, not yet in any map
  uint64_t parking_clock = 0;
  uint64_t step_stamp = 0;
  bool closed = false;
  // Bytes of the scratch range that could not be unmapped: tried again before it is used. Guarded
  // by `operation`: the mapper makes no copies.
  uint64_t scratch_left_mapped = 0;

  // The mapper: what it is asked for, and how it is held back. Empty and false without one.
  std::condition_variable wake;
  std::deque<uint32_t> ahead_queue;  // sequence indices, oldest first
  bool has_mapper = false;
  bool mapper_asleep = false;
  bool mapper_working = false;    // it holds slots or memory outside the lock
  uint32_t mapper_holds_off = 0;  // callers who need all memory to settle

  const TensorLayout& tensor(uint32_t index) const { return layout.tensors[index]; }
  uint32_t tensors() const { return static_cast<uint32_t>(layout.tensors.size()); }
  uintptr_t Address(uint32_t slot, uint32_t tensor_index, uint64_t offset) const {
    return layout.TensorAddress(base, slot, tensor_index) + offset;
  }
  uint32_t max_length() const { return static_cast<uint32_t>(config.shape.max_length); }

  // Typed errors of a closed cache and of a handle that is not live.
  Status CheckOpen() const;
  Status FindSequence(vattn_sequence handle, uint32_t* index) const;

  // First row that must stay mapped for a sequence.
  uint64_t FrontRow(const Sequence& sequence) const {
    return sequence.first_kept > config.lead_rows ? sequence.first_kept - config.lead_rows : 0;
  }
  // Rows that its present or a former length has let it write.
  uint64_t WrittenRows(const Slot& slot) const;

  // Maps and unmaps in the books. The page's reference is the caller's to give and to take.
  void Insert(Slot* slot, uint32_t tensor_index, const MapEntry& entry);
  void Erase(Slot* slot, uint32_t tensor_index, size_t first, size_t last);
  void Replace(Slot* slot, uint32_t tensor_index, size_t i, PageId page);
  // Cuts an entry's page into pages of the smallest class, in place; the driver must be splittable
  // and the page must have one mapping.
  void SplitEntry(Slot* slot, uint32_t tensor_index, size_t i);

  // Takes the slot's reference from the page of an entry that has left its map, or is about to.
  void DropReference(const Slot& slot, uint32_t tensor_index, const MapEntry& entry);
  // What the live sequence has written makes the page dirty for everybody else.
  void MarkWritten(const Slot& slot, uint32_t tensor_index, const MapEntry& entry);
  // The sequence has left: its pages stay mapped for the next one, behind `fence`.
  void Park(uint32_t slot_index, FencePtr fence);
  // Forgets fences that have passed.
  void SettleFences();
  // A slot that can be adopted, zeroed and evicted from.
  bool IsIdle(const Slot& slot) const {
    return !slot.live() && slot.busy == Busy::kNo && slot.fence == nullptr;
  }

  uint64_t CreatableBytes() const {
    const uint64_t held = pool.total_bytes() + creating_bytes;
    return limit_bytes > held ? limit_bytes - held : 0;
  }
  uint64_t MappingsLeft() const {
    const uint64_t held = live_mappings + mapping_promises;
    return config.mapping_budget > held ? config.mapping_budget - held : 0;
  }

  // Recomputes `ready` and `ahead_at` of a live sequence after its mappings changed.
  // Looks some way past its length, and past what a step in progress wants.
  void UpdateReady(Sequence* sequence);
  // Asks the mapper to map ahead for a sequence.
  void QueueAhead(uint32_t sequence_index);
  void WakeMapper();
  // The reservation's pins of a sequence that is not stepped any more.
  void DropShare(Sequence* sequence);

  // Finds a live sequence and waits until neither a step nor the mapper is at work on it.
  Status FindSettled(Lock* lock, vattn_sequence handle, uint32_t* index);

 private:
  struct Recharge;  // keeps live_mappings right around a change of one map
};

// While it lives the mapper rests, so that nobody else takes memory or gives it back. Made and
// ended with the lock, which is released while a piece of the mapper's work comes to its end.
class MapperHold {
 public:
  MapperHold(CacheCore* core, Lock* lock) : core_(core) {
    ++core_->mapper_holds_off;
    core_->changed.wait(*lock, [this] { return !core_->mapper_working; });
  }
  ~MapperHold() {
    --core_->mapper_holds_off;
    core_->WakeMapper();
  }
  MapperHold(const MapperHold&) = delete;
  MapperHold& operator=(const MapperHold&) = delete;

 private:
  CacheCore* const core_;
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_CACHE_CORE_H_
