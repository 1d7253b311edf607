// What one slot needs so that a sequence can grow in it: which pages to map, alias, copy and zero.
// Planning looks and decides; nothing is mapped and no page is taken.
#ifndef VATTENTION_NATIVE_MEMORY_GROWTH_PLAN_H_
#define VATTENTION_NATIVE_MEMORY_GROWTH_PLAN_H_

#include <cstdint>
#include <vector>

#include "memory/cache_core.h"

namespace vattention::memory {

// One page to map where nothing is mapped.
struct Placement {
  uint32_t tensor;
  uint64_t offset;
  uint32_t bytes;
  PageId page = kNoPageId;  // an aliased one is known from the start, others are acquired
  bool alias = false;
  PageHandle handle = kNoPage;  // of the page, for work outside the lock
  uint64_t end() const { return offset + bytes; }
};

// A mapped page whose first bytes are the sequence's own, but which it may not write: it gets
// another page of the same size with a copy of those bytes, in one replacement.
struct PrivateCopy {
  uint32_t tensor;
  MapEntry shared;
  uint64_t valid;               // bytes to keep
  PageId page = kNoPageId;      // the new one
  PageHandle handle = kNoPage;  // of the new one
  uint64_t dirty_end = 0;       // of the new one
};

// Bytes of a page that is not mapped here, to the start of new placements.
struct PrefixCopy {
  uint32_t tensor;
  uint64_t offset;
  uint64_t bytes;
  PageId from;
  PagePiece source = {kNoPage, 0};  // of `from`, for work outside the lock
};

struct ZeroRange {
  uint32_t tensor;
  uint64_t offset;
  uint64_t bytes;
};

// Entries of the slot itself that must go before anything is mapped: a former owner's pages that
// others rely on, or that are too large for their new place.
struct Displaced {
  uint32_t tensor;
  MapEntry entry;
};

struct GrowthPlan {
  uint32_t slot = kNone;
  uint32_t sequence = kNone;
  uint64_t known_rows = 0;  // rows whose tokens are known
  uint64_t clean_rows = 0;  // rows [.., clean_rows) will be mapped, clean and private
  std::vector<Displaced> displaced;
  std::vector<Placement> placements;  // by tensor, then by offset
  std::vector<PrivateCopy> private_copies;
  std::vector<PrefixCopy> prefix_copies;
  std::vector<ZeroRange> zeros;  // of pages that stay; new pages are seen to later
  FencePtr sources_written;      // before this, prefix copies have nothing to copy
  // Before this, streams may still read what a truncation left among the zeros.
  FencePtr forgotten_readers;
  uint64_t aliased_tokens = 0;
  uint64_t copied_tokens = 0;
  uint64_t kept_pages = 0;  // pages of a parked slot that the sequence takes over
  // Streams may be using rows that are going to be replaced, whatever was truncated when.
  bool replaces_live_rows = false;

  bool NeedsDriver() const {
    return !displaced.empty() || !placements.empty() || !private_copies.empty() ||
           !prefix_copies.empty() || !zeros.empty();
  }
};

struct GrowthRequest {
  uint32_t slot;
  uint32_t sequence;
  uint64_t first_row;   // rows before it are not needed
  uint64_t valid_rows;  // rows that hold the sequence's tokens in this slot already
  uint64_t known_rows;  // rows whose tokens are known: where they fill a large page, it gets one
  uint64_t target_rows;
  const Share* share;  // of a sequence that has no slot yet; nullptr: none
  // Not nullptr for the mapper: it must leave alone what a step or a running kernel may be using,
  // rows before *settled_rows. A plan that would need more than that comes back empty.
  const uint64_t* settled_rows;
  // A number of this growth: of two sequences that adopt slots with the same page, one may keep it.
  uint32_t claim;
};

// Called with the lock. May cut large pages of the slot into small ones, which changes no state.
GrowthPlan PlanGrowth(CacheCore* core, const GrowthRequest& request);

// Pages of the largest class that fits for [from, to), of which [.., known) will hold tokens.
// Appends placements of one tensor.
void FillGap(const CacheConfig& config, uint32_t tensor, uint64_t from, uint64_t to, uint64_t known,
             std::vector<Placement>* placements);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_GROWTH_PLAN_H_
