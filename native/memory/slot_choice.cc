#include "memory/slot_choice.h"

#include <algorithm>
#include <tuple>

namespace vattention::memory {
namespace {

SlotFit FitOfTensor(const CacheCore& core, const Slot& slot, const Share* share, uint64_t rows,
                    uint32_t t) {
  const TensorMap& map = slot.maps[t];
  const uint64_t needed = rows * core.tensor(t).row_bytes;
  const Share::Segment* segment = nullptr;
  const Share::Segment* segments_end = nullptr;
  if (share != nullptr) {
    const auto& all = share->segments;
    auto before = [](const Share::Segment& s, uint32_t tensor) { return s.tensor < tensor; };
    segment = all.data() + (std::lower_bound(all.begin(), all.end(), t, before) - all.begin());
    segments_end = all.data() + all.size();
  }
  uint64_t found = 0;
  uint64_t displaced = 0;
  uint64_t dirty = 0;
  for (const MapEntry& entry : map.entries()) {
    if (entry.offset >= needed) break;
    while (segment != segments_end && segment->tensor == t && segment->offset < entry.offset) {
      ++segment;
    }
    const bool shown =
        segment != segments_end && segment->tensor == t && segment->offset == entry.offset;
    const Page& page = core.pool.page(entry.page);
    const bool keeps = shown ? segment->page == entry.page : page.WritableFrom(0, 0);
    const uint64_t bytes = std::min(entry.end(), needed) - entry.offset;
    (keeps ? found : displaced) += bytes;
    if (keeps && !shown) dirty += std::min<uint64_t>(bytes, page.dirty_end);
  }
  if (!core.config.zero_recycled) dirty = 0;
  return {needed - std::min(needed, found), displaced, dirty,
          map.end() > needed ? map.end() - needed : 0};
}

}  // namespace

SlotFit FitOfSlot(const CacheCore& core, const Slot& slot, const Share* share, uint64_t rows) {
  SlotFit fit = FitOfTensor(core, slot, share, rows, 0);
  if (core.tensors() > 1) {
    const SlotFit last = FitOfTensor(core, slot, share, rows, core.tensors() - 1);
    fit.missing += last.missing;
    fit.displaced += last.displaced;
    fit.dirty += last.dirty;
    fit.to_spare += last.to_spare;
  }
  return fit;
}

uint32_t ChooseSlot(const CacheCore& core, const Share* share, uint64_t rows,
                    NoSlotReason* reason) {
  uint32_t best = kNone;
  SlotFit best_fit{};
  auto key = [](const SlotFit& fit) {
    return std::tuple(fit.missing, fit.displaced, fit.dirty, fit.to_spare);
  };
  *reason = NoSlotReason::kFenced;
  for (uint32_t s = 0; s < core.slots.size(); ++s) {
    const Slot& slot = core.slots[s];
    if (slot.live()) continue;
    if (slot.busy == Busy::kMapper) {
      *reason = NoSlotReason::kBusy;
      continue;
    }
    if (slot.busy != Busy::kNo || slot.fence != nullptr) continue;
    if (slot.condemned > 0) {
      const bool passed = std::all_of(
          core.condemned.begin(), core.condemned.end(),
          [&](const Condemned& range) { return range.slot != s || Passed(range.fence); });
      if (passed && *reason == NoSlotReason::kFenced) *reason = NoSlotReason::kCondemned;
      continue;
    }
    const SlotFit fit = FitOfSlot(core, slot, share, rows);
    if (best == kNone || key(fit) < key(best_fit)) {
      best = s;
      best_fit = fit;
    }
  }
  return best;
}

}  // namespace vattention::memory
