#include "memory/growth_plan.h"

#include <algorithm>

#include "memory/reclaim.h"
#include "memory/round_up.h"

namespace vattention::memory {
namespace {

// Plans one tensor of one slot.
class TensorPlanner {
 public:
  TensorPlanner(CacheCore* core, const GrowthRequest& request, uint32_t tensor, GrowthPlan* plan)
      : core_(core),
        request_(request),
        tensor_(tensor),
        plan_(plan),
        slot_(&core->slots[request.slot]),
        row_(core->tensor(tensor).row_bytes),
        valid_(request.valid_rows * row_),
        known_(request.known_rows * row_),
        target_(RoundUp(request.target_rows * row_, core->config.smallest())) {}

  // Rows of whole pages up to the target: pages are zeroed once, not row by row.
  uint64_t CleanRows() const { return target_ / row_; }

  // False: the mapper must leave this to a step.
  bool Run() {
    FindSegments();
    uint64_t at = Start();
    if (!slot_->live()) Displace(0, at);  // a former owner's rows that this sequence does not have
    while (at < target_) {
      if (segment_ != segments_end_ && segment_->offset <= at) {
        at = PlaceSegment(at);
      } else if (!PlaceOwn(&at)) {
        return false;
      }
    }
    if (!slot_->live() && request_.sequence != kNone) DisplaceForeign(at);
    // A segment can lie past the target only if the share does, which it may not.
    VATTN_CHECK(segment_ == segments_end_);
    return true;
  }

 private:
  const std::vector<MapEntry>& entries() const { return slot_->maps[tensor_].entries(); }
  const Page& page(const MapEntry& entry) const { return core_->pool.page(entry.page); }
  uint32_t own_live() const { return slot_->live() ? 1 : 0; }

  void FindSegments() {
    if (request_.share == nullptr) return;
    const auto& all = request_.share->segments;
    auto before = [](const Share::Segment& s, uint32_t tensor) { return s.tensor < tensor; };
    auto begin = std::lower_bound(all.begin(), all.end(), tensor_, before);
    auto end = std::lower_bound(begin, all.end(), tensor_ + 1, before);
    segment_ = all.data() + (begin - all.begin());
    segments_end_ = all.data() + (end - all.begin());
  }

  // Where the first needed row's page begins. Of a sequence that has slid, the pages before are
  // gone.
  uint64_t Start() const {
    const uint64_t first = request_.first_row * row_;
    if (first == 0) return 0;
    if (segment_ != segments_end_) return segment_->offset;
    const size_t i = slot_->maps[tensor_].FirstAfter(first);
    if (slot_->live() && i < entries().size() && entries()[i].offset <= first) {
      return entries()[i].offset;
    }
    return first / core_->config.smallest() * core_->config.smallest();
  }

  const MapEntry* EntryAt(uint64_t at) const {
    const size_t i = slot_->maps[tensor_].FirstAfter(at);
    return i < entries().size() && entries()[i].offset <= at ? &entries()[i] : nullptr;
  }

  // Whether the sequence may have the page as its own, and write it from `from` on.
  bool Keepable(const MapEntry& entry, uint64_t from) const {
    return page(entry).WritableFrom(from, own_live()) &&
           (slot_->live() || page(entry).claim != request_.claim);
  }
  void Keep(const MapEntry& entry) {
    core_->pool.mutable_page(entry.page).claim = request_.claim;
    ++plan_->kept_pages;
  }

  // Kernels may be reading up to the tail of the present length.
  uint64_t Readable() const { return (request_.valid_rows + core_->config.tail_rows) * row_; }

  // Everything of the slot's own in [from, to) goes.
  void Displace(uint64_t from, uint64_t to) {
    for (size_t i = slot_->maps[tensor_].FirstAfter(from);
         i < entries().size() && entries()[i].offset < to; ++i) {
      if (displaced_end_ > entries()[i].offset) continue;  // displaced already
      plan_->displaced.push_back({tensor_, entries()[i]});
      displaced_end_ = entries()[i].end();
      VATTN_CHECK(!slot_->live() || entries()[i].offset >= Readable());
    }
  }

  // Behind what is needed, an adopted slot keeps only pages that are nobody else's: what others
  // hold would be shared without being shown.
  void DisplaceForeign(uint64_t from) {
    for (size_t i = slot_->maps[tensor_].FirstAfter(from); i < entries().size(); ++i) {
      const MapEntry& entry = entries()[i];
      if (entry.offset >= from && !IsLastHold(page(entry), false))
        Displace(entry.offset, entry.end());
    }
  }

  void Fill(uint64_t from, uint64_t to) {
    FillGap(core_->config, tensor_, from, to, known_, &plan_->placements);
  }

  // Zeroes what a former owner wrote in a page that stays, up to the target.
  void ZeroKept(const MapEntry& entry, uint64_t own_end) {
    if (!core_->config.zero_recycled) return;
    const uint64_t known_clean = slot_->live() ? std::max(slot_->clean_rows * row_, valid_) : 0;
    const uint64_t clean = std::max(known_clean, own_end);
    const uint64_t from = std::max(entry.offset, clean);
    const uint64_t to = std::min(entry.offset + page(entry).dirty_end, target_);
    if (from >= to) return;
    // Adjacent ranges become one call.
    if (!plan_->zeros.empty()) {
      ZeroRange& last = plan_->zeros.back();
      if (last.tensor == tensor_ && last.offset + last.bytes == from) {
        last.bytes += to - from;
        return;
      }
    }
    plan_->zeros.push_back({tensor_, from, to - from});
  }

  // A large page that tokens fill in part only would waste more than the smallest page. Cuts it if
  // possible; then the entry at that place is a small one.
  enum class Fit { kFits, kCut, kTooLarge };
  Fit FitToKnown(const MapEntry& entry) {
    const bool partly = entry.offset < known_ && known_ < entry.end();
    if (!partly || entry.bytes == core_->config.smallest()) return Fit::kFits;
    if (!core_->port.limits().splittable || !page(entry).HasOneMapping()) return Fit::kTooLarge;
    core_->SplitEntry(slot_, tensor_, slot_->maps[tensor_].FirstAfter(entry.offset));
    return Fit::kCut;
  }

  // The next segment of the share, at or before `at`. Returns where it ends.
  uint64_t PlaceSegment(uint64_t at) {
    const Share::Segment& segment = *segment_++;
    VATTN_CHECK(segment.offset == at);
    const Page& shared = core_->pool.page(segment.page);
    const MapEntry* entry = EntryAt(at);
    const bool in_place = entry != nullptr && entry->page == segment.page;
    if (segment.alias) {
      if (in_place) {
        ++plan_->kept_pages;
      } else {
        Displace(at, at + shared.bytes);
        plan_->placements.push_back({tensor_, at, shared.bytes, segment.page, true});
      }
      return at + shared.bytes;
    }
    // The boundary. A parked slot that holds this very page may go on writing behind what others
    // rely on, if nobody else does.
    const bool last = segment_ == segments_end_;
    if (in_place && last && Keepable(*entry, segment.valid) &&
        !(known_ < entry->end() && entry->bytes != core_->config.smallest())) {
      Keep(*entry);
      ZeroKept(*entry, at + segment.valid);
      return entry->end();
    }
    const uint64_t end =
        last ? RoundUp(at + segment.valid, core_->config.smallest()) : segment_->offset;
    Displace(at, end);
    Fill(at, end);
    plan_->prefix_copies.push_back({tensor_, at, segment.valid, segment.page});
    return end;
  }

  // One entry of the slot, or the gap up to the next one.
  bool PlaceOwn(uint64_t* at) {
    const MapEntry* entry = EntryAt(*at);
    if (entry == nullptr || entry->offset < displaced_end_) {
      const uint64_t gap_end = GapEnd(*at);
      Fill(*at, gap_end);
      *at = gap_end;
      return true;
    }
    if (entry->offset < valid_) return KeepValid(*entry, at);
    return KeepOrDisplace(*entry, at);
  }

  uint64_t GapEnd(uint64_t at) const {
    uint64_t end = target_;
    if (segment_ != segments_end_) end = std::min(end, segment_->offset);
    for (size_t i = slot_->maps[tensor_].FirstAfter(at); i < entries().size(); ++i) {
      if (entries()[i].offset < displaced_end_) continue;
      return std::min(end, entries()[i].offset);
    }
    return end;
  }

  // A page with the sequence's own tokens. It is written from `valid_` on.
  bool KeepValid(const MapEntry& entry, uint64_t* at) {
    const bool reaches_past = entry.end() > valid_ && target_ > valid_;
    if (reaches_past && !page(entry).WritableFrom(valid_ - entry.offset, own_live())) {
      // Not even zeroes may go there: behind these tokens others have theirs.
      if (request_.settled_rows != nullptr) return false;
      plan_->private_copies.push_back({tensor_, entry, valid_ - entry.offset});
      plan_->replaces_live_rows = true;
    } else if (reaches_past) {
      ZeroKept(entry, 0);
    }
    *at = entry.end();
    return true;
  }

  // A page behind the sequence's tokens: mapped ahead, adopted, or left from before a truncation.
  bool KeepOrDisplace(const MapEntry& entry, uint64_t* at) {
    const Fit fit = Keepable(entry, 0) ? FitToKnown(entry) : Fit::kTooLarge;
    if (fit == Fit::kCut) return true;  // look again
    if (fit == Fit::kFits) {
      if (!slot_->live()) Keep(entry);
      ZeroKept(entry, 0);
      *at = entry.end();
      return true;
    }
    if (request_.settled_rows != nullptr && entry.offset < *request_.settled_rows * row_) {
      return false;
    }
    if (slot_->live() && entry.offset < Readable()) {
      // Tail rows stay mapped whatever happens: a new page takes the place of this one in one go.
      plan_->private_copies.push_back({tensor_, entry, 0});
      plan_->replaces_live_rows = true;
      *at = entry.end();
      return true;
    }
    const uint64_t from = *at;
    const uint64_t to = std::min(entry.end(), target_);
    Displace(from, to);
    Fill(from, to);
    *at = to;
    return true;
  }

  CacheCore* const core_;
  const GrowthRequest& request_;
  const uint32_t tensor_;
  GrowthPlan* const plan_;
  Slot* const slot_;
  const uint64_t row_;
  const uint64_t valid_;
  const uint64_t known_;
  const uint64_t target_;
  const Share::Segment* segment_ = nullptr;
  const Share::Segment* segments_end_ = nullptr;
  uint64_t displaced_end_ = 0;
};

}  // namespace

void FillGap(const CacheConfig& config, uint32_t tensor, uint64_t from, uint64_t to, uint64_t known,
             std::vector<Placement>* placements) {
  for (uint64_t at = from; at < to;) {
    uint64_t bytes = config.smallest();
    for (const uint64_t larger : config.page_classes) {
      if (at + larger <= std::min(to, known)) bytes = larger;
    }
    placements->push_back({tensor, at, static_cast<uint32_t>(bytes)});
    at += bytes;
  }
}

GrowthPlan PlanGrowth(CacheCore* core, const GrowthRequest& request) {
  GrowthPlan plan;
  plan.slot = request.slot;
  plan.sequence = request.sequence;
  plan.known_rows = request.known_rows;
  plan.clean_rows = ~uint64_t{0};
  for (uint32_t t = 0; t < core->tensors(); ++t) {
    TensorPlanner planner(core, request, t, &plan);
    plan.clean_rows = std::min(plan.clean_rows, planner.CleanRows());
    if (planner.Run()) continue;
    GrowthPlan nothing;
    nothing.slot = request.slot;
    nothing.sequence = request.sequence;
    return nothing;
  }
  if (!plan.zeros.empty()) plan.forgotten_readers = core->slots[request.slot].fence;
  if (request.share != nullptr) {
    plan.sources_written = request.share->written;
    // Told by the first tensor: what it aliases; the rest of the prefix is copied.
    const uint64_t row = core->tensor(0).row_bytes;
    uint64_t copied = 0;
    for (const PrefixCopy& copy : plan.prefix_copies) {
      if (copy.tensor == 0) copied += copy.bytes;
    }
    const uint64_t shown = request.share->length - request.first_row;
    plan.copied_tokens = std::min(shown, (copied + row - 1) / row);
    plan.aliased_tokens = shown - plan.copied_tokens;
  }
  return plan;
}

}  // namespace vattention::memory
