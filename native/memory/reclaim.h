// Taking pages back from where they lie mapped without need: condemned ranges whose fence has
// passed, parked slots (oldest first), and what live sequences have beyond their tokens.
#ifndef VATTENTION_NATIVE_MEMORY_RECLAIM_H_
#define VATTENTION_NATIVE_MEMORY_RECLAIM_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "memory/cache_core.h"

namespace vattention::memory {

// How far to go.
enum class Reach {
  kParked,       // parked slots only
  kLiveSurplus,  // also what live sequences have beyond what is mapped ahead
  kLiveAhead     // also what is mapped ahead
};

// Unmaps pages so that they become free, and can map them again where they were. The slots it took
// from stay busy until Settle or Restore, and for a caller the mapper rests until then, so that
// nobody else takes what Restore needs. All calls with the lock, which is released during driver
// calls.
class Reclaimer {
 public:
  Reclaimer(CacheCore* core, EventThread thread, Tally* tally)
      : core_(core), thread_(thread), tally_(tally) {}
  ~Reclaimer() { Settle(); }
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  // At least `bytes` become free, or as many as there are. *freed: how many did. An error leaves
  // what was freed until then free.
  Status FreeBytes(Lock* lock, uint64_t bytes, Reach reach, uint64_t* freed);
  // Parked slots give up all their mappings, oldest first, until `mappings` are off the budget.
  // *freed: how many are.
  Status FreeMappings(Lock* lock, uint64_t mappings, uint64_t* freed);
  // Takes these entries out of a slot that the caller has marked busy.
  Status Take(Lock* lock, uint32_t slot, const std::vector<std::pair<uint32_t, MapEntry>>& entries);

  // What was taken stays taken.
  void Settle();
  // Maps everything where it was, as far as its pages can be had and the driver agrees. `lost`:
  // pages that became somebody else's meanwhile.
  void Restore(Lock* lock, const std::vector<PageId>& lost);

 private:
  struct Taken {
    uint32_t slot;
    uint32_t tensor;
    MapEntry entry;
  };
  uint64_t Cut(uint32_t slot, uint64_t floor_rows, uint64_t bytes,
               std::vector<std::pair<uint32_t, MapEntry>>* entries) const;
  bool MayTakeFrom(uint32_t slot, Reach stage) const;
  void Claim(uint32_t slot);
  void HoldMapperOff(Lock* lock);
  std::vector<MapEntry> EntriesToRestore(const Taken& taken) const;
  bool IsRestorable(const Taken& taken, const MapEntry& entry,
                    const std::vector<PageId>& lost) const;

  CacheCore* const core_;
  const EventThread thread_;
  Tally* const tally_;
  std::optional<MapperHold> mapper_hold_;
  std::vector<uint32_t> claimed_;
  std::vector<Taken> taken_;
};

// Whether nobody but this mapping holds the page, so that taking it away makes it free.
bool IsLastHold(const Page& page, bool live);

// How many mappings more a slot has without these entries: one taken out of a run leaves two.
uint64_t MappingsOfHoles(const CacheCore& core, uint32_t slot,
                         const std::vector<std::pair<uint32_t, MapEntry>>& entries);

// What FreeBytes could free at most now, and what will be free once fences have passed.
struct ReclaimableBytes {
  uint64_t now = 0;
  uint64_t pending = 0;
};
ReclaimableBytes CountReclaimable(CacheCore* core, Reach reach);

// Unmaps condemned ranges whose fences have passed; *unmapped_bytes: how much.
Status UnmapCondemned(CacheCore* core, Lock* lock, EventThread thread, Tally* tally,
                      uint64_t* unmapped_bytes);

// Gives up to `bytes` of free pages back to the system. *released: how many.
Status ReleaseFree(CacheCore* core, Lock* lock, uint64_t bytes, EventThread thread, Tally* tally,
                   uint64_t* released);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_RECLAIM_H_
