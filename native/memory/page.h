// A page: one physical allocation of one size class, and who relies on it.
//
// A page has one state, the first that applies:
//   mapped     a live sequence maps it, or is about to (a reserved fork, a step in progress)
//   retained   only the prefix index holds it
//   parked     mapped in a slot that has no live sequence
//   condemned  left a sequence and waits for a fence, still mapped until then
//   free       nobody
#ifndef VATTENTION_NATIVE_MEMORY_PAGE_H_
#define VATTENTION_NATIVE_MEMORY_PAGE_H_

#include <cstdint>

#include "memory/driver.h"

namespace vattention::memory {

using PageId = uint32_t;
inline constexpr PageId kNoPageId = ~PageId{0};

enum class PageState : uint8_t { kMapped, kRetained, kParked, kCondemned, kFree };
inline constexpr int kPageStates = 5;

struct Page {
  PageHandle handle = kNoPage;
  uint32_t bytes = 0;          // its size class; 0: this record is unused
  uint32_t live = 0;           // live sequences that map it, and steps in progress that took it
  uint32_t pins = 0;           // reserved sequences that will show it from their first step on
  uint32_t spans = 0;          // spans of the prefix index
  uint32_t parked = 0;         // slots without a live sequence that map it
  uint32_t fenced = 0;         // of those, slots that streams may still be reading
  uint32_t condemned = 0;      // mappings that wait for a fence
  uint32_t protected_end = 0;  // bytes [0, protected_end) are what spans and pins rely on
  uint32_t dirty_end = 0;      // bytes [0, dirty_end) may not be zero; see below
  uint32_t mark = 0;           // of whoever walks all pages
  uint32_t claim = 0;          // of the growth that keeps it for one of its sequences
  uint32_t used_mark = 0;      // of statistics: bytes of it that hold tokens

  // `dirty_end` does not count what the live sequences that map the page have written: that is
  // added when the page leaves them.

  PageState state() const {
    if (live + pins > 0) return PageState::kMapped;
    if (spans > 0) return PageState::kRetained;
    if (parked > 0) return PageState::kParked;
    if (condemned > 0) return PageState::kCondemned;
    return PageState::kFree;
  }

  // Whether a slot that maps the page may write bytes from `from` on without somebody else seeing
  // it. `own_live`: 1 when the asking slot is live, 0 when it is parked (`own_parked` is 1 then).
  bool WritableFrom(uint64_t from, uint32_t own_live) const {
    if (live > own_live || condemned > 0 || fenced > 0) return false;
    return spans + pins == 0 || from >= protected_end;
  }
  // Exactly one mapping and nothing else: its owner may cut it into smaller pages.
  bool HasOneMapping() const { return live + parked + condemned == 1 && spans == 0 && pins == 0; }
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_PAGE_H_
