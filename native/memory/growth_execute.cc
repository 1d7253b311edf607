// The driver's part of a growth: map, zero, copy, and undo. See growth.h.
#include <algorithm>
#include <utility>

#include "memory/growth.h"

namespace vattention::memory {
namespace {

// `range` without what a copy is going to fill: what is left before and behind it.
void SubtractCopies(const ZeroRange& range, const std::vector<PrefixCopy>& copies,
                    std::vector<ZeroRange>* left) {
  uint64_t at = range.offset;
  const uint64_t end = range.offset + range.bytes;
  for (const PrefixCopy& copy : copies) {  // by offset
    if (copy.tensor != range.tensor) continue;
    if (copy.offset >= end || copy.offset + copy.bytes <= at) continue;
    if (copy.offset > at) left->push_back({range.tensor, at, copy.offset - at});
    at = std::max(at, copy.offset + copy.bytes);
  }
  if (at < end) left->push_back({range.tensor, at, end - at});
}

}  // namespace

// What the work outside the lock needs to know of pages.
void Growth::Prepare() {
  for (GrowthPlan& plan : plans_) {
    std::vector<ZeroRange> dirty;
    for (Placement& place : plan.placements) {
      const Page& page = core_->pool.page(place.page);
      place.handle = page.handle;
      if (place.alias || page.dirty_end == 0) continue;
      const bool follows = !dirty.empty() && dirty.back().tensor == place.tensor &&
                           dirty.back().offset + dirty.back().bytes == place.offset;
      if (follows) {
        dirty.back().bytes += page.dirty_end;
      } else {
        dirty.push_back({place.tensor, place.offset, page.dirty_end});
      }
    }
    for (const ZeroRange& range : dirty) {
      SubtractCopies(range, plan.prefix_copies, &fresh_zeros_);
    }
    fresh_zeros_end_.push_back(fresh_zeros_.size());
    for (PrivateCopy& copy : plan.private_copies) {
      const Page& page = core_->pool.page(copy.page);
      copy.handle = page.handle;
      copy.dirty_end = page.dirty_end;
    }
    for (PrefixCopy& copy : plan.prefix_copies) {
      const Page& page = core_->pool.page(copy.from);
      copy.source = {page.handle, page.bytes};
    }
  }
}

Status Growth::Execute() {
  for (size_t p = 0; p < plans_.size(); ++p) {
    GrowthPlan& plan = plans_[p];
    if (Status status = MapPlacements(p); !status.ok()) return status;
    for (size_t z = p == 0 ? 0 : fresh_zeros_end_[p - 1]; z < fresh_zeros_end_[p]; ++z) {
      const ZeroRange& range = fresh_zeros_[z];
      const DriverStatus status = core_->port.Zero(
          core_->Address(plan.slot, range.tensor, range.offset), range.bytes, &tally_);
      if (!status.ok()) return Status::OfDriver(status, "zeroing pages that were used before");
    }
    if (Status status = ZeroAll(plan); !status.ok()) return status;
    if (Status status = CopyPrefixes(plan); !status.ok()) return status;
  }
  // Last, since each of them takes effect at once.
  for (GrowthPlan& plan : plans_) {
    if (Status status = CopyPrivate(&plan); !status.ok()) return status;
  }
  return {};
}

Status Growth::MapPlacements(size_t p) {
  const GrowthPlan& plan = plans_[p];
  std::vector<PagePiece> pieces;
  for (size_t first = 0; first < plan.placements.size();) {
    const Placement& start = plan.placements[first];
    size_t last = first;
    pieces.clear();
    while (last < plan.placements.size() && plan.placements[last].tensor == start.tensor &&
           (last == first || plan.placements[last].offset == plan.placements[last - 1].end())) {
      pieces.push_back({plan.placements[last].handle, plan.placements[last].bytes});
      ++last;
    }
    const DriverStatus status =
        core_->port.Map(core_->Address(plan.slot, start.tensor, start.offset), pieces, &tally_);
    if (!status.ok()) return Status::OfDriver(status, "mapping pages");
    mapped_.push_back({p, first, last});
    first = last;
  }
  return {};
}

Status Growth::ZeroAll(const GrowthPlan& plan) {
  if (plan.zeros.empty()) return {};
  // What a truncation forgot may still be read. On the host a step writes at once, as the caller's
  // next rows would.
  if (plan.forgotten_readers != nullptr && !core_->port.limits().synchronous) {
    const DriverStatus status = plan.forgotten_readers->WaitBeforeOwnWork(core_->port.driver());
    if (!status.ok()) return Status::OfDriver(status, "waiting for attached streams");
  }
  for (const ZeroRange& range : plan.zeros) {
    const DriverStatus status = core_->port.Zero(
        core_->Address(plan.slot, range.tensor, range.offset), range.bytes, &tally_);
    if (!status.ok()) return Status::OfDriver(status, "zeroing a former sequence's rows");
  }
  return {};
}

// Copies are ordered behind them on the cache's stream; but taking a mapping away is no work of a
// stream, so that waits here.
Status Growth::WaitForReaders() {
  if (readers_ == nullptr) return {};
  const DriverStatus status = readers_->WaitBeforeOwnWork(core_->port.driver());
  if (!status.ok()) return Status::OfDriver(status, "waiting for attached streams");
  readers_->WaitOnHost();
  return {};
}

Status Growth::MapScratch(const std::vector<PagePiece>& pages) {
  const uintptr_t scratch = core_->base + core_->layout.ScratchOffset();
  if (core_->scratch_left_mapped > 0) {
    if (Status status = UnmapScratch(core_->scratch_left_mapped, 0); !status.ok()) return status;
  }
  Tally outside = tally_;  // scratch mappings are not the sequences'
  const DriverStatus status = core_->port.Map(scratch, pages, &outside);
  tally_.calls = outside.calls;
  return status.ok() ? Status() : Status::OfDriver(status, "mapping the source of a copy");
}

Status Growth::UnmapScratch(uint64_t bytes, uint64_t pages) {
  const uintptr_t scratch = core_->base + core_->layout.ScratchOffset();
  const DriverStatus status = core_->port.Unmap(scratch, bytes, pages, &tally_);
  core_->scratch_left_mapped = status.ok() ? 0 : bytes;
  return status.ok() ? Status() : Status::OfDriver(status, "unmapping the source of a copy");
}

// The start of a shared page goes to a page of the sequence's own. Sources need not be mapped
// anywhere, so they are mapped to the scratch range, as many at a time as it holds.
Status Growth::CopyPrefixes(const GrowthPlan& plan) {
  if (plan.prefix_copies.empty()) return {};
  if (plan.sources_written != nullptr) {
    const DriverStatus status = plan.sources_written->WaitBeforeOwnWork(core_->port.driver());
    if (!status.ok()) return Status::OfDriver(status, "waiting for attached streams");
  }
  const uintptr_t scratch = core_->base + core_->layout.ScratchOffset();
  for (size_t first = 0; first < plan.prefix_copies.size();) {
    std::vector<PagePiece> sources;
    uint64_t bytes = 0;
    size_t last = first;
    while (last < plan.prefix_copies.size() &&
           bytes + plan.prefix_copies[last].source.bytes <= core_->layout.scratch_bytes) {
      sources.push_back(plan.prefix_copies[last].source);
      bytes += plan.prefix_copies[last++].source.bytes;
    }
    if (Status status = MapScratch(sources); !status.ok()) return status;
    DriverStatus failure;
    for (uint64_t at = 0; first < last && failure.ok(); ++first) {
      const PrefixCopy& copy = plan.prefix_copies[first];
      failure = core_->port.Copy(core_->Address(plan.slot, copy.tensor, copy.offset), scratch + at,
                                 copy.bytes, &tally_);
      at += copy.source.bytes;
    }
    Status unmapped = UnmapScratch(bytes, sources.size());
    if (!failure.ok()) return Status::OfDriver(failure, "copying the boundary of a prefix");
    if (!unmapped.ok()) return unmapped;
  }
  return {};
}

// New pages are filled in the scratch range and then take the place of the shared ones, each in one
// call, so that a reader finds the same rows before and after.
Status Growth::CopyPrivate(GrowthPlan* plan) {
  if (plan->private_copies.empty()) return {};
  const uintptr_t scratch = core_->base + core_->layout.ScratchOffset();
  const auto p = static_cast<size_t>(plan - plans_.data());
  for (size_t c = 0; c < plan->private_copies.size(); ++c) {
    const PrivateCopy& copy = plan->private_copies[c];
    const PagePiece fresh{copy.handle, copy.shared.bytes};
    const PagePiece shared{copy.shared.handle, copy.shared.bytes};
    const uintptr_t place = core_->Address(plan->slot, copy.tensor, copy.shared.offset);
    DriverStatus failure;
    if (copy.valid > 0 || copy.dirty_end > 0) {
      if (Status status = MapScratch({fresh}); !status.ok()) return status;
      if (copy.dirty_end > copy.valid) {
        failure = core_->port.Zero(scratch + copy.valid, copy.dirty_end - copy.valid, &tally_);
      }
      if (failure.ok() && copy.valid > 0) {
        failure = core_->port.Copy(scratch, place, copy.valid, &tally_);
      }
      Status unmapped = UnmapScratch(fresh.bytes, 1);
      if (!failure.ok()) return Status::OfDriver(failure, "copying a shared page before a write");
      if (!unmapped.ok()) return unmapped;
    }

    if (!core_->port.limits().remap_under_readers) {
      failure = core_->port.Unmap(place, shared.bytes, 1, &tally_);
      if (!failure.ok()) return Status::OfDriver(failure, "unmapping a shared page");
    }
    failure = core_->port.Map(place, {&fresh, 1}, &tally_);
    if (!failure.ok()) {
      if (!core_->port.limits().remap_under_readers) {
        // It was mapped a moment ago; without it the sequence would lose its tokens.
        VATTN_CHECK(core_->port.Map(place, {&shared, 1}, &tally_).ok());
      }
      return Status::OfDriver(failure, "mapping a private page");
    }
    switched_.emplace_back(p, c);
  }
  return {};
}

void Growth::UndoMappings() {
  const bool runs_merge = core_->port.limits().remap_under_readers;
  // A private copy is as good as what it replaced: when the old page cannot be mapped again, it
  // stays, and the sequence has a page of its own a little early.
  for (size_t n = switched_.size(); n-- > 0;) {
    GrowthPlan& plan = plans_[switched_[n].first];
    PrivateCopy& copy = plan.private_copies[switched_[n].second];
    const PagePiece shared{copy.shared.handle, copy.shared.bytes};
    DriverStatus status{VATTN_UNSUPPORTED, "", 0};
    if (runs_merge) {
      lock_->unlock();
      status = core_->port.Map(core_->Address(plan.slot, copy.tensor, copy.shared.offset),
                               {&shared, 1}, &tally_);
      lock_->lock();
    }
    if (status.ok()) continue;
    Slot* slot = &core_->slots[plan.slot];
    core_->pool.MarkClean(copy.page);
    core_->MarkWritten(*slot, copy.tensor, copy.shared);
    core_->pool.Drop(copy.shared.page, &Page::live);
    core_->Replace(slot, copy.tensor, slot->maps[copy.tensor].FirstAfter(copy.shared.offset),
                   copy.page);
    left_mapped_.push_back(copy.page);
    copy.page = kNoPageId;
  }
  switched_.clear();
  // Pages that cannot be unmapped stay in the slot, as surplus of its sequence or parked.
  for (size_t n = mapped_.size(); n-- > 0;) {
    const MappedRun& run = mapped_[n];
    GrowthPlan& plan = plans_[run.plan];
    const Placement& first = plan.placements[run.first];
    const uint64_t bytes = plan.placements[run.last - 1].end() - first.offset;
    lock_->unlock();
    const DriverStatus status =
        core_->port.Unmap(core_->Address(plan.slot, first.tensor, first.offset), bytes,
                          run.last - run.first, &tally_);
    lock_->lock();
    if (status.ok()) continue;
    Slot* slot = &core_->slots[plan.slot];
    for (size_t i = run.first; i < run.last; ++i) {
      Placement& place = plan.placements[i];
      if (place.alias) {
        core_->pool.Add(place.page, slot->live() ? &Page::live : &Page::parked);
      } else {
        core_->pool.MarkDirty(place.page, place.bytes);
        left_mapped_.push_back(place.page);
        if (!slot->live()) core_->pool.Move(place.page, &Page::live, &Page::parked);
      }
      core_->Insert(slot, place.tensor, {place.offset, place.handle, place.bytes, place.page});
      place.page = kNoPageId;
    }
    slot->maybe_dirty = true;
    // What is in them is nobody's: they are zeroed before the sequence sees them.
    slot->clean_rows =
        std::min(slot->clean_rows, first.offset / core_->tensor(first.tensor).row_bytes);
    if (slot->live()) core_->UpdateReady(&core_->sequences[slot->sequence]);
  }
  mapped_.clear();
}

}  // namespace vattention::memory
