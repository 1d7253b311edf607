#include "memory/growth.h"

#include <algorithm>
#include <utility>

namespace vattention::memory {
namespace {

// Pages created in one driver call, so that one failure does not cost too much work.
constexpr uint64_t kCreateBytes = uint64_t{64} << 20;

}  // namespace

struct Growth::CreateGroup {
  std::vector<PageId*> pages;
  uint64_t page_bytes;
  PageHandle after;
  bool after_previous;  // follows the last page of the group before
  std::vector<PageHandle> handles;
};

Growth::Outcome Growth::OutOfMemory(vattn_step_limit limit, uint64_t needed) {
  limit_ = limit;
  needed_bytes_ = std::max(needed, core_->config.smallest());
  return Outcome::kOutOfMemory;
}

Growth::Outcome Growth::Run() {
  if (!IsFeasible()) return Outcome::kOutOfMemory;
  error_ = TakeDisplaced();
  if (error_.ok() && Acquire() && FitMappings()) {
    Prepare();
    executed_ = true;
    lock_->unlock();
    try {
      error_ = Execute();
    } catch (...) {
      lock_->lock();  // whoever holds this growth gives up its claims under it
      throw;
    }
    lock_->lock();
    if (error_.ok()) return Outcome::kDone;
    UndoMappings();
  }
  GivePagesBack();
  core_->mapping_promises -= promised_mappings_;
  promised_mappings_ = 0;
  reclaimer_.Restore(lock_, left_mapped_);
  if (error_.ok()) return Outcome::kOutOfMemory;
  // The system refused another mapping: the one driver error that says "full" while mapping.
  if (error_.code() == VATTN_OUT_OF_MEMORY) return OutOfMemory(VATTN_LIMIT_MAPPINGS, 0);
  return Outcome::kFailed;
}

bool Growth::IsFeasible() {
  uint64_t missing = 0;
  uint64_t obtainable = core_->pool.free_bytes() + core_->CreatableBytes();
  for (const GrowthPlan& plan : plans_) {
    for (const Placement& placement : plan.placements) {
      if (!placement.alias) missing += placement.bytes;
    }
    for (const PrivateCopy& copy : plan.private_copies) missing += copy.shared.bytes;
    const Slot& slot = core_->slots[plan.slot];
    for (const Displaced& displaced : plan.displaced) {
      const Page& page = core_->pool.page(displaced.entry.page);
      if (IsLastHold(page, slot.live())) obtainable += page.bytes;
    }
  }
  if (missing <= obtainable) return true;
  if (options_.may_reclaim) obtainable += CountReclaimable(core_, Reach::kLiveAhead).now;
  if (missing <= obtainable) return true;
  OutOfMemory(VATTN_LIMIT_BYTES, missing - obtainable);
  return false;
}

Status Growth::TakeDisplaced() {
  for (const GrowthPlan& plan : plans_) {
    FencePtr readers = core_->slots[plan.slot].live() ? core_->slots[plan.slot].fence : nullptr;
    if (plan.replaces_live_rows) {
      FencePtr all;
      if (Status status = core_->streams.RecordAll(&all); !status.ok()) return status;
      readers = Fence::Both(std::move(readers), std::move(all));
    }
    if (plan.replaces_live_rows || !plan.displaced.empty()) {
      readers_ = Fence::Both(std::move(readers_), std::move(readers));
    }
  }
  if (readers_ != nullptr) {
    lock_->unlock();
    Status status = WaitForReaders();
    lock_->lock();
    if (!status.ok()) return status;
  }
  for (const GrowthPlan& plan : plans_) {
    if (plan.displaced.empty()) continue;
    std::vector<std::pair<uint32_t, MapEntry>> entries;
    for (const Displaced& displaced : plan.displaced) {
      entries.emplace_back(displaced.tensor, displaced.entry);
    }
    // A caller makes up for the mappings that holes take (Reclaimer::Restore); the mapper must not
    // exceed the budget even for a moment, as callers count on it meanwhile.
    if (!options_.may_reclaim &&
        MappingsOfHoles(*core_, plan.slot, entries) > core_->MappingsLeft()) {
      return Status::Error(VATTN_OUT_OF_MEMORY, "no mappings are left.");
    }
    if (Status status = reclaimer_.Take(lock_, plan.slot, entries); !status.ok()) return status;
  }
  return {};
}

std::vector<Growth::Want> Growth::Wants() {
  std::vector<Want> wants;
  for (size_t p = 0; p < plans_.size(); ++p) {
    for (PrivateCopy& copy : plans_[p].private_copies) {
      if (copy.page != kNoPageId) continue;
      wants.push_back({p, copy.tensor, copy.shared.offset, copy.shared.bytes, &copy.page, false});
    }
    for (Placement& place : plans_[p].placements) {
      if (place.page != kNoPageId) continue;
      wants.push_back({p, place.tensor, place.offset, place.bytes, &place.page,
                       place.bytes > core_->config.smallest()});
    }
  }
  return wants;
}

// The page right before a wanted one: mapped already, or found for this growth. No bytes: none yet.
PagePiece Growth::Predecessor(const Want& want) const {
  constexpr PagePiece kNothing{kNoPage, 0};
  if (want.offset == 0) return kNothing;
  const auto& placements = plans_[want.plan].placements;
  auto at = std::lower_bound(
      placements.begin(), placements.end(), want, [](const Placement& place, const Want& wanted) {
        return std::pair(place.tensor, place.offset) < std::pair(wanted.tensor, wanted.offset);
      });
  if (at != placements.begin()) {
    --at;
    if (at->tensor == want.tensor && at->end() == want.offset) {
      if (at->page == kNoPageId) return kNothing;
      return {core_->pool.page(at->page).handle, at->bytes};
    }
  }
  const TensorMap& map = core_->slots[plans_[want.plan].slot].maps[want.tensor];
  const size_t i = map.FirstAfter(want.offset - 1);
  if (i < map.entries().size() && map.entries()[i].end() == want.offset) {
    return {map.entries()[i].handle, map.entries()[i].bytes};
  }
  return kNothing;
}

// One large placement becomes several of the smallest class.
void Growth::Divide(size_t plan, uint32_t tensor, uint64_t offset) {
  auto& placements = plans_[plan].placements;
  auto at = std::find_if(placements.begin(), placements.end(), [&](const Placement& place) {
    return place.tensor == tensor && place.offset == offset;
  });
  const Placement whole = *at;
  const auto part = static_cast<uint32_t>(core_->config.smallest());
  std::vector<Placement> parts;
  for (uint64_t done = 0; done < whole.bytes; done += part) {
    parts.push_back({tensor, offset + done, part});
  }
  at = placements.erase(at);
  placements.insert(at, parts.begin(), parts.end());
}

// Gives free pages to whoever wants one, cutting large free ones where that costs nothing.
void Growth::TakeFree() {
  const bool runs = core_->port.limits().run_mapping;
  bool again = true;
  while (again) {
    again = false;
    uint64_t room = create_blocked_ ? 0 : core_->CreatableBytes();
    for (const Want& want : Wants()) {
      const PagePiece before = runs ? Predecessor(want) : PagePiece{kNoPage, 0};
      const PageHandle follows = before.bytes == 0 ? kNoPage : before.handle + before.bytes;
      const bool adjacent = follows != kNoPage && core_->pool.HasFree(want.bytes, follows);
      if (options_.prefer_adjacent && runs && !adjacent && room >= want.bytes) {
        room -= want.bytes;
        continue;
      }
      if (auto id = core_->pool.Take(want.bytes, follows)) {
        *want.page = *id;
        continue;
      }
      if (core_->port.limits().splittable) {
        if (auto larger = core_->pool.FindLarger(want.bytes);
            larger && core_->pool.page(*larger).bytes % want.bytes == 0) {
          const Page page = core_->pool.page(*larger);
          VATTN_CHECK(core_->port.driver()->Split(page.handle, page.bytes, want.bytes).ok());
          std::vector<PageId> rest;
          core_->pool.Split(*larger, want.bytes, &rest);
          *want.page = *core_->pool.Take(want.bytes, page.handle);
          continue;
        }
      }
      const bool small_ones_are_free =
          runs &&
          core_->pool.FreeCount(core_->config.smallest()) * core_->config.smallest() >= want.bytes;
      if (want.divisible && (room < want.bytes || small_ones_are_free)) {
        Divide(want.plan, want.tensor, want.offset);
        again = true;  // the list of wants is stale
        break;
      }
      room -= std::min<uint64_t>(room, want.bytes);
    }
  }
}

bool Growth::Acquire() {
  while (true) {
    TakeFree();
    const std::vector<Want> wants = Wants();
    if (wants.empty()) return true;
    uint64_t missing = 0;
    for (const Want& want : wants) missing += want.bytes;

    if (!create_blocked_) {
      bool progress = false;
      if (!CreateMissing(wants, &progress)) return false;
      if (progress) continue;
      // Convert: free pages of other sizes make room for one of this size.
      const uint64_t room = core_->CreatableBytes();
      if (core_->pool.free_bytes() > 0 && room < missing) {
        const auto id = core_->pool.FindFree();
        const uint64_t bytes = core_->pool.page(*id).bytes;
        uint64_t released = 0;
        error_ = ReleaseFree(core_, lock_, bytes, options_.thread, &tally_, &released);
        if (!error_.ok()) return false;
        converted_.push_back(bytes);
        continue;
      }
    }
    if (options_.may_reclaim) {
      uint64_t unmapped = 0;
      error_ = UnmapCondemned(core_, lock_, options_.thread, &tally_, &unmapped);
      if (!error_.ok()) return false;
      if (unmapped > 0) continue;
      const uint64_t room = create_blocked_ ? 0 : core_->CreatableBytes();
      uint64_t freed = 0;
      error_ = reclaimer_.FreeBytes(lock_, missing > room ? missing - room : missing,
                                    Reach::kLiveAhead, &freed);
      if (!error_.ok()) return false;
      if (freed > 0) continue;
    }
    const bool driver_full = create_blocked_ && core_->port.driver()->AvailableBytes() >= missing;
    OutOfMemory(driver_full ? VATTN_LIMIT_DEVICE : VATTN_LIMIT_BYTES, missing);
    return false;
  }
}

// Creates what the limit allows. False: a driver error that is not about memory.
bool Growth::CreateMissing(const std::vector<Want>& wants, bool* progress) {
  uint64_t room = core_->CreatableBytes();
  uint64_t promised = 0;
  std::vector<CreateGroup> groups;
  const Want* previous = nullptr;
  for (const Want& want : wants) {
    if (want.bytes > room) continue;
    room -= want.bytes;
    promised += want.bytes;
    const bool follows = previous != nullptr && previous->plan == want.plan &&
                         previous->tensor == want.tensor &&
                         previous->offset + previous->bytes == want.offset;
    if (follows && groups.back().page_bytes == want.bytes &&
        (groups.back().pages.size() + 1) * want.bytes <= kCreateBytes) {
      groups.back().pages.push_back(want.page);
    } else {
      groups.push_back({{want.page}, want.bytes, Predecessor(want).handle, follows, {}});
    }
    previous = &want;
  }
  if (groups.empty()) return true;

  core_->creating_bytes += promised;
  lock_->unlock();
  DriverStatus failure;
  PageHandle last = kNoPage;
  for (CreateGroup& group : groups) {
    failure =
        core_->port.Create(group.page_bytes, static_cast<int>(group.pages.size()),
                           group.after_previous ? last : group.after, &group.handles, &tally_);
    if (!failure.ok()) break;
    last = group.handles.back();
  }
  lock_->lock();
  core_->creating_bytes -= promised;
  for (const CreateGroup& group : groups) {
    for (size_t i = 0; i < group.handles.size(); ++i) {
      const PageId id = core_->pool.AddTaken(group.handles[i], group.page_bytes);
      *group.pages[i] = id;
      created_.push_back(id);
      *progress = true;
    }
  }
  if (failure.ok()) return true;
  if (failure.status == VATTN_OUT_OF_MEMORY) {
    create_blocked_ = true;
    *progress = true;  // there may be another way
    return true;
  }
  error_ = Status::OfDriver(failure, "creating pages");
  return false;
}

// How many mappings more (or fewer) there will be: tried out on copies of the maps.
int64_t Growth::MappingsToCome() const {
  const bool runs = core_->port.limits().run_mapping;
  uint64_t before = 0;
  uint64_t after = 0;
  for (const GrowthPlan& plan : plans_) {
    const Slot& slot = core_->slots[plan.slot];
    size_t place = 0;
    size_t copy = 0;
    for (uint32_t t = 0; t < core_->tensors(); ++t) {
      const bool changes =
          (place < plan.placements.size() && plan.placements[place].tensor == t) ||
          (copy < plan.private_copies.size() && plan.private_copies[copy].tensor == t);
      if (!changes) continue;
      TensorMap map = slot.maps[t];
      before += map.Mappings(runs);
      for (; place < plan.placements.size() && plan.placements[place].tensor == t; ++place) {
        const Placement& placed = plan.placements[place];
        map.Insert(
            {placed.offset, core_->pool.page(placed.page).handle, placed.bytes, placed.page});
      }
      for (; copy < plan.private_copies.size() && plan.private_copies[copy].tensor == t; ++copy) {
        const PrivateCopy& made = plan.private_copies[copy];
        map.Replace(map.FirstAfter(made.shared.offset), core_->pool.page(made.page).handle,
                    made.page);
      }
      after += map.Mappings(runs);
    }
  }
  return static_cast<int64_t>(after) - static_cast<int64_t>(before);
}

bool Growth::FitMappings() {
  const int64_t more = MappingsToCome();
  // What was displaced may have cut runs in two, so that even nothing more can be too much.
  auto excess = [&]() -> int64_t {
    return static_cast<int64_t>(core_->live_mappings + core_->mapping_promises) + more -
           static_cast<int64_t>(core_->config.mapping_budget);
  };
  if (excess() > 0 && options_.may_reclaim) {
    uint64_t freed = 0;
    error_ = reclaimer_.FreeMappings(lock_, static_cast<uint64_t>(excess()), &freed);
    if (!error_.ok()) return false;
  }
  if (excess() > 0) {
    uint64_t bytes = 0;
    for (const GrowthPlan& plan : plans_) {
      for (const Placement& place : plan.placements) bytes += place.bytes;
    }
    OutOfMemory(VATTN_LIMIT_MAPPINGS, bytes);
    return false;
  }
  promised_mappings_ = static_cast<uint64_t>(std::max<int64_t>(more, 0));
  core_->mapping_promises += promised_mappings_;
  return true;
}

void Growth::GivePagesBack() {
  auto give_back = [&](PageId* page, bool alias) {
    if (*page != kNoPageId && !alias) {
      // Copies may have gone into it.
      if (executed_) core_->pool.MarkDirty(*page, core_->pool.page(*page).bytes);
      core_->pool.Drop(*page, &Page::live);
    }
    *page = kNoPageId;
  };
  for (GrowthPlan& plan : plans_) {
    for (Placement& place : plan.placements) give_back(&place.page, place.alias);
    for (PrivateCopy& copy : plan.private_copies) give_back(&copy.page, false);
  }
  if (options_.may_reclaim) {
    // What it created goes back to the system, and what it converted comes back, if they can.
    for (const PageId id : created_) {
      if (!core_->pool.IsFree(id)) continue;
      const Page page = core_->pool.page(id);
      core_->pool.TakeThis(id);
      lock_->unlock();
      const DriverStatus released = core_->port.Release(page.handle, page.bytes, &tally_);
      lock_->lock();
      core_->pool.Drop(id, &Page::live);
      if (released.ok()) core_->pool.Remove(id);
    }
    for (const uint64_t bytes : converted_) {
      std::vector<PageHandle> handles;
      lock_->unlock();
      const DriverStatus made = core_->port.Create(bytes, 1, kNoPage, &handles, &tally_);
      lock_->lock();
      if (made.ok()) core_->pool.AddFree(handles.front(), bytes);
    }
  }
  created_.clear();
  converted_.clear();
  core_->changed.notify_all();
}

void Growth::Commit() {
  for (GrowthPlan& plan : plans_) {
    Slot* slot = &core_->slots[plan.slot];
    Sequence* sequence = &core_->sequences[plan.sequence];
    const bool binds = !slot->live();
    if (binds) {
      for (const TensorMap& map : slot->maps) {
        for (const MapEntry& entry : map.entries()) {
          core_->pool.Move(entry.page, &Page::parked, &Page::live);
        }
      }
      slot->sequence = plan.sequence;
      slot->clean_rows = 0;
      slot->written_rows = 0;
      sequence->slot = plan.slot;
    }
    for (const Placement& place : plan.placements) {
      if (place.alias) {
        core_->pool.Add(place.page, &Page::live);
      } else {
        core_->pool.MarkClean(place.page);
      }
      core_->Insert(slot, place.tensor, {place.offset, place.handle, place.bytes, place.page});
    }
    for (const PrivateCopy& copy : plan.private_copies) {
      core_->pool.MarkClean(copy.page);
      core_->MarkWritten(*slot, copy.tensor, copy.shared);
      core_->pool.Drop(copy.shared.page, &Page::live);
      const size_t i = slot->maps[copy.tensor].FirstAfter(copy.shared.offset);
      core_->Replace(slot, copy.tensor, i, copy.page);
      // A private page that tokens fill in part only need not stay large.
      const uint64_t known = plan.known_rows * core_->tensor(copy.tensor).row_bytes;
      if (core_->port.limits().splittable && copy.shared.bytes > core_->config.smallest() &&
          known < copy.shared.end()) {
        core_->SplitEntry(slot, copy.tensor, i);
      }
    }
    slot->clean_rows = std::max(slot->clean_rows, plan.clean_rows);
    if (sequence->share != nullptr) {
      sequence->backed = sequence->share->length;
      sequence->first_kept = sequence->share->first_kept;
      core_->DropShare(sequence);
    }
    core_->UpdateReady(sequence);
    VATTN_CHECK(sequence->ready >= sequence->wanted);
    if (binds && plan.kept_pages > 0) ++core_->counters.adoptions;
    core_->counters.aliased_tokens += plan.aliased_tokens;
    core_->counters.copied_tokens += plan.copied_tokens;
  }
  core_->counters.copied_bytes += tally_.copied_bytes;
  EndCommit();
}

void Growth::CommitParked() {
  for (GrowthPlan& plan : plans_) {
    Slot* slot = &core_->slots[plan.slot];
    VATTN_CHECK(!slot->live() && plan.private_copies.empty());
    for (const Placement& place : plan.placements) {
      core_->pool.MarkClean(place.page);
      core_->pool.Move(place.page, &Page::live, &Page::parked);
      core_->Insert(slot, place.tensor, {place.offset, place.handle, place.bytes, place.page});
    }
    slot->parked_at = ++core_->parking_clock;
  }
  EndCommit();
}

void Growth::EndCommit() {
  core_->mapping_promises -= promised_mappings_;
  promised_mappings_ = 0;
  reclaimer_.Settle();
}

}  // namespace vattention::memory
