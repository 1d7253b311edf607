// Which slot a sequence moves into at its first step.
#ifndef VATTENTION_NATIVE_MEMORY_SLOT_CHOICE_H_
#define VATTENTION_NATIVE_MEMORY_SLOT_CHOICE_H_

#include <cstdint>

#include "memory/cache_core.h"

namespace vattention::memory {

// How well a slot without a sequence would do; smaller is better.
struct SlotFit {
  uint64_t missing;    // bytes to map, in the first and the last tensor: all hold the same rows
  uint64_t displaced;  // bytes to unmap first
  uint64_t dirty;      // bytes to zero first
  uint64_t to_spare;   // bytes mapped beyond what is needed
};
SlotFit FitOfSlot(const CacheCore& core, const Slot& slot, const Share* share, uint64_t rows);

// Why there is none.
enum class NoSlotReason {
  kBusy,       // the mapper holds all that would do: wait for `changed`
  kCondemned,  // ranges of them are to be unmapped first, and may be
  kFenced      // streams may still be reading all of them
};

// The slot where growing to `rows` rows maps least: the smallest parked slot that is enough, else
// the one with most of it; for a shared prefix, one that holds these very pages. Between equals the
// one that gives up fewest pages, then the one with least to zero, then the one with least to
// spare. kNone and *reason when there is none.
uint32_t ChooseSlot(const CacheCore& core, const Share* share, uint64_t rows, NoSlotReason* reason);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_SLOT_CHOICE_H_
