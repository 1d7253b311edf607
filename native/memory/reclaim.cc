#include "memory/reclaim.h"

#include <algorithm>
#include <utility>

namespace vattention::memory {
namespace {

using TensorEntry = std::pair<uint32_t, MapEntry>;

// Entries that lie one after the other in the same tensor: [first, last).
size_t RunEnd(const std::vector<TensorEntry>& entries, size_t first) {
  size_t last = first + 1;
  while (last < entries.size() && entries[last].first == entries[first].first &&
         entries[last].second.offset == entries[last - 1].second.end()) {
    ++last;
  }
  return last;
}

// Rows that a slot has mapped, in its longest tensor.
uint64_t MappedRows(const CacheCore& core, const Slot& slot) {
  uint64_t rows = 0;
  for (uint32_t t = 0; t < core.tensors(); ++t) {
    const uint64_t row = core.tensor(t).row_bytes;
    rows = std::max(rows, (slot.maps[t].end() + row - 1) / row);
  }
  return rows;
}

// Rows of a slot that must stay, when so much may be taken.
uint64_t FloorRows(const CacheCore& core, const Slot& slot, Reach reach) {
  if (!slot.live()) return 0;
  const Sequence& sequence = core.sequences[slot.sequence];
  const uint64_t needed =
      uint64_t{std::max(sequence.backed, sequence.wanted)} + core.config.tail_rows;
  return reach == Reach::kLiveAhead ? needed : needed + core.config.ahead_tokens;
}

// What taking one mapping of a page away brings nearer to being free. A page that several parked
// slots map is freed by the last of them.
uint64_t Gain(const Page& page, bool live) {
  if (live) return IsLastHold(page, true) ? page.bytes : 0;
  return page.state() == PageState::kParked ? (page.bytes + page.parked - 1) / page.parked : 0;
}

}  // namespace

bool IsLastHold(const Page& page, bool live) {
  return page.live == (live ? 1u : 0u) && page.parked == (live ? 0u : 1u) && page.condemned == 0 &&
         page.spans == 0 && page.pins == 0;
}

uint64_t MappingsOfHoles(const CacheCore& core, uint32_t slot_index,
                         const std::vector<std::pair<uint32_t, MapEntry>>& entries) {
  const bool runs = core.port.limits().run_mapping;
  const Slot& slot = core.slots[slot_index];
  uint64_t before = 0;
  uint64_t after = 0;
  for (uint32_t t = 0; t < core.tensors(); ++t) {
    TensorMap map = slot.maps[t];
    before += map.Mappings(runs);
    for (const auto& [tensor, entry] : entries) {
      if (tensor != t) continue;
      const size_t i = map.FirstAfter(entry.offset);
      map.Erase(i, i + 1);
    }
    after += map.Mappings(runs);
  }
  return after > before ? after - before : 0;
}

void Reclaimer::Claim(uint32_t slot) {
  core_->slots[slot].busy = thread_ == EventThread::kMapper ? Busy::kMapper : Busy::kCaller;
  claimed_.push_back(slot);
}

void Reclaimer::HoldMapperOff(Lock* lock) {
  if (!mapper_hold_ && thread_ == EventThread::kCaller) mapper_hold_.emplace(core_, lock);
}

void Reclaimer::Settle() {
  mapper_hold_.reset();
  taken_.clear();
  if (claimed_.empty()) return;
  for (const uint32_t slot : claimed_) core_->slots[slot].busy = Busy::kNo;
  claimed_.clear();
  core_->changed.notify_all();
}

// The entries of a slot's end whose pages make up at least `bytes`, or all above the floor.
uint64_t Reclaimer::Cut(uint32_t slot_index, uint64_t floor_rows, uint64_t bytes,
                        std::vector<TensorEntry>* entries) const {
  const Slot& slot = core_->slots[slot_index];
  const uint64_t rows = MappedRows(*core_, slot);
  uint64_t step = std::max<uint64_t>(1, bytes / core_->layout.bytes_per_token);
  while (true) {
    const uint64_t cut = rows > floor_rows + step ? rows - step : floor_rows;
    entries->clear();
    uint64_t gain = 0;
    for (uint32_t t = 0; t < core_->tensors(); ++t) {
      const uint64_t from = cut * core_->tensor(t).row_bytes;
      const auto& mapped = slot.maps[t].entries();
      for (size_t i = slot.maps[t].FirstAfter(from); i < mapped.size(); ++i) {
        if (mapped[i].offset < from) continue;
        entries->emplace_back(t, mapped[i]);
        gain += Gain(core_->pool.page(mapped[i].page), slot.live());
      }
    }
    if (gain >= bytes || cut == floor_rows) return gain;
    step *= 2;
  }
}

Status Reclaimer::Take(Lock* lock, uint32_t slot_index, const std::vector<TensorEntry>& entries) {
  HoldMapperOff(lock);
  Slot* slot = &core_->slots[slot_index];
  VATTN_CHECK(slot->busy != Busy::kNo);
  // Out of the books first: a step of a live victim must not count on them from now on.
  for (const auto& [t, entry] : entries) {
    const size_t i = slot->maps[t].FirstAfter(entry.offset);
    core_->Erase(slot, t, i, i + 1);
  }
  if (slot->live()) core_->UpdateReady(&core_->sequences[slot->sequence]);
  DriverStatus failure;
  size_t done = 0;
  lock->unlock();
  while (done < entries.size()) {
    const size_t last = RunEnd(entries, done);
    const MapEntry& first = entries[done].second;
    failure = core_->port.Unmap(core_->Address(slot_index, entries[done].first, first.offset),
                                entries[last - 1].second.end() - first.offset, last - done, tally_);
    if (!failure.ok()) break;
    done = last;
  }
  lock->lock();
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto& [t, entry] = entries[i];
    if (i < done) {
      core_->DropReference(*slot, t, entry);
      taken_.push_back({slot_index, t, entry});
    } else {
      core_->Insert(slot, t, entry);
    }
  }
  if (slot->live()) core_->UpdateReady(&core_->sequences[slot->sequence]);
  return failure.ok() ? Status() : Status::OfDriver(failure, "unmapping pages");
}

bool Reclaimer::MayTakeFrom(uint32_t slot_index, Reach stage) const {
  const Slot& slot = core_->slots[slot_index];
  if (slot.live() != (stage != Reach::kParked) || slot.fence != nullptr) return false;
  if (slot.busy == Busy::kNo) return true;
  if (std::find(claimed_.begin(), claimed_.end(), slot_index) != claimed_.end()) return true;
  // Live ones that the caller's own step has marked: it needs nothing beyond their floor.
  return slot.live() && slot.busy == Busy::kCaller && thread_ == EventThread::kCaller;
}

Status Reclaimer::FreeBytes(Lock* lock, uint64_t bytes, Reach reach, uint64_t* freed) {
  *freed = 0;
  HoldMapperOff(lock);
  std::vector<TensorEntry> entries;
  // Parked slots by age; then live sequences, those with the most to spare first.
  std::vector<uint32_t> victims;
  for (const Reach stage : {Reach::kParked, Reach::kLiveSurplus, Reach::kLiveAhead}) {
    if (stage > reach) break;
    victims.clear();
    for (uint32_t s = 0; s < core_->slots.size(); ++s) {
      if (MayTakeFrom(s, stage)) victims.push_back(s);
    }
    std::sort(victims.begin(), victims.end(), [&](uint32_t a, uint32_t b) {
      return core_->slots[a].parked_at < core_->slots[b].parked_at;
    });
    for (const uint32_t victim : victims) {
      if (*freed >= bytes) return {};
      // Others may have got hold of it while the lock was open for the victim before.
      if (!MayTakeFrom(victim, stage)) continue;
      const Slot& slot = core_->slots[victim];
      const int64_t start = core_->trace.Now();
      const uint64_t gain = Cut(victim, FloorRows(*core_, slot, stage), bytes - *freed, &entries);
      if (gain == 0) continue;
      if (slot.busy == Busy::kNo) Claim(victim);
      const uint64_t before = core_->pool.free_bytes();
      const bool parked = !slot.live();
      Status status = Take(lock, victim, entries);
      if (core_->pool.free_bytes() > before) *freed += core_->pool.free_bytes() - before;
      if (parked) ++core_->counters.evictions;
      core_->trace.Emit(VATTN_EVENT_EVICT, thread_, start, static_cast<int32_t>(victim), gain, 1);
      if (!status.ok()) return status;
    }
  }
  return {};
}

Status Reclaimer::FreeMappings(Lock* lock, uint64_t mappings, uint64_t* freed) {
  *freed = 0;
  HoldMapperOff(lock);
  while (*freed < mappings) {
    uint32_t victim = kNone;
    for (uint32_t s = 0; s < core_->slots.size(); ++s) {
      const Slot& slot = core_->slots[s];
      if (!core_->IsIdle(slot) || slot.Mappings(true) == 0) continue;
      if (victim == kNone || slot.parked_at < core_->slots[victim].parked_at) victim = s;
    }
    if (victim == kNone) return {};
    Claim(victim);
    std::vector<TensorEntry> entries;
    for (uint32_t t = 0; t < core_->tensors(); ++t) {
      for (const MapEntry& entry : core_->slots[victim].maps[t].entries()) {
        entries.emplace_back(t, entry);
      }
    }
    const bool runs = core_->port.limits().run_mapping;
    const int64_t start = core_->trace.Now();
    const uint64_t before = core_->slots[victim].Mappings(runs);
    Status status = Take(lock, victim, entries);
    *freed += before - core_->slots[victim].Mappings(runs);
    ++core_->counters.evictions;
    core_->trace.Emit(VATTN_EVENT_EVICT, thread_, start, static_cast<int32_t>(victim), 0, 1);
    if (!status.ok()) return status;
  }
  return {};
}

// An entry as it was, or in parts when its page was cut meanwhile.
std::vector<MapEntry> Reclaimer::EntriesToRestore(const Taken& taken) const {
  const Page& page = core_->pool.page(taken.entry.page);
  if (page.bytes == taken.entry.bytes && page.handle == taken.entry.handle) return {taken.entry};
  if (!core_->port.limits().splittable) return {};
  std::vector<MapEntry> entries;
  uint64_t at = taken.entry.offset;
  for (const PageId part : core_->pool.FindFreeRun(taken.entry.handle, taken.entry.bytes)) {
    const Page& cut = core_->pool.page(part);
    entries.push_back({at, cut.handle, cut.bytes, part});
    at += cut.bytes;
  }
  return entries;
}

// Whether nothing has taken the place, and nobody the page: for a caller nobody else can, the
// mapper rests.
bool Reclaimer::IsRestorable(const Taken& taken, const MapEntry& entry,
                             const std::vector<PageId>& lost) const {
  TensorMap map = core_->slots[taken.slot].maps[taken.tensor];
  const size_t i = map.FirstAfter(entry.offset);
  if (i < map.entries().size() && map.entries()[i].offset < entry.end()) return false;
  if (std::find(lost.begin(), lost.end(), entry.page) != lost.end()) return false;
  if (thread_ == EventThread::kCaller) return true;
  if (core_->pool.page(entry.page).state() == PageState::kMapped) return false;
  const bool runs = core_->port.limits().run_mapping;
  const uint64_t before = map.Mappings(runs);
  map.Insert(entry);
  return map.Mappings(runs) <= before + core_->MappingsLeft();
}

void Reclaimer::Restore(Lock* lock, const std::vector<PageId>& lost) {
  for (size_t n = taken_.size(); n-- > 0;) {
    const Taken taken = taken_[n];
    for (const MapEntry& entry : EntriesToRestore(taken)) {
      if (!IsRestorable(taken, entry, lost)) continue;
      Slot* slot = &core_->slots[taken.slot];
      core_->pool.Add(entry.page, &Page::live);
      lock->unlock();
      const PagePiece piece{entry.handle, entry.bytes};
      const DriverStatus status = core_->port.Map(
          core_->Address(taken.slot, taken.tensor, entry.offset), {&piece, 1}, tally_);
      lock->lock();
      if (!status.ok()) {
        core_->pool.Drop(entry.page, &Page::live);
        continue;
      }
      if (!slot->live()) core_->pool.Move(entry.page, &Page::live, &Page::parked);
      core_->Insert(slot, taken.tensor, entry);
      // Others may have had it meanwhile.
      slot->maybe_dirty = true;
      slot->clean_rows =
          std::min(slot->clean_rows, entry.offset / core_->tensor(taken.tensor).row_bytes);
    }
  }
  taken_.clear();
  // Only now: a page that two of them share was writable for the first as long as the second did
  // not have it back.
  for (const Slot& slot : core_->slots) {
    if (slot.live() && slot.busy != Busy::kNo) {
      core_->UpdateReady(&core_->sequences[slot.sequence]);
    }
  }
  // What could not be restored may have left holes, and every hole is a mapping.
  const uint64_t charged = core_->live_mappings + core_->mapping_promises;
  Settle();
  if (charged > core_->config.mapping_budget && thread_ == EventThread::kCaller) {
    uint64_t freed = 0;
    // A failure leaves the budget exceeded by a few, far from the system's own limit.
    (void)FreeMappings(lock, charged - core_->config.mapping_budget, &freed);
    Settle();
  }
}

ReclaimableBytes CountReclaimable(CacheCore* core, Reach reach) {
  ReclaimableBytes bytes;
  // Pages that several slots map are counted once, and not as long as one of these must keep them.
  const uint32_t kept = core->pool.NextMark();
  const uint32_t pending = core->pool.NextMark();
  const uint32_t counted = core->pool.NextMark();
  auto mark = [&](const MapEntry& entry, PageState state, uint32_t with) {
    Page& page = core->pool.mutable_page(entry.page);
    if (page.state() != state || page.mark >= kept) return;
    page.mark = with;
    if (with == pending) bytes.pending += page.bytes;
    if (with == counted) bytes.now += page.bytes;
  };
  for (const uint32_t with : {kept, pending, counted}) {
    for (const Slot& slot : core->slots) {
      if (slot.live()) continue;
      const uint32_t as = slot.busy != Busy::kNo ? kept : slot.fence != nullptr ? pending : counted;
      if (as != with) continue;
      for (const TensorMap& map : slot.maps) {
        for (const MapEntry& entry : map.entries()) mark(entry, PageState::kParked, with);
      }
    }
    for (const Condemned& range : core->condemned) {
      const uint32_t as = range.busy ? kept : Passed(range.fence) ? counted : pending;
      if (as != with) continue;
      for (const MapEntry& entry : range.entries) mark(entry, PageState::kCondemned, with);
    }
  }
  if (reach == Reach::kParked) return bytes;
  for (const Slot& slot : core->slots) {
    if (!slot.live() || slot.fence != nullptr || slot.busy == Busy::kMapper) continue;
    const uint64_t floor = FloorRows(*core, slot, reach);
    for (uint32_t t = 0; t < core->tensors(); ++t) {
      const uint64_t from = floor * core->tensor(t).row_bytes;
      const auto& entries = slot.maps[t].entries();
      for (size_t i = slot.maps[t].FirstAfter(from); i < entries.size(); ++i) {
        const Page& page = core->pool.page(entries[i].page);
        if (entries[i].offset >= from && IsLastHold(page, true)) bytes.now += page.bytes;
      }
    }
  }
  return bytes;
}

Status UnmapCondemned(CacheCore* core, Lock* lock, EventThread thread, Tally* tally,
                      uint64_t* unmapped_bytes) {
  *unmapped_bytes = 0;
  while (true) {
    auto range = std::find_if(core->condemned.begin(), core->condemned.end(),
                              [](Condemned& r) { return !r.busy && Passed(r.fence); });
    if (range == core->condemned.end()) return {};
    range->busy = true;
    const int64_t start = core->trace.Now();
    std::vector<TensorEntry> entries;
    for (const MapEntry& entry : range->entries) entries.emplace_back(range->tensor, entry);
    DriverStatus failure;
    size_t done = 0;
    lock->unlock();
    while (done < entries.size()) {
      const size_t last = RunEnd(entries, done);
      const MapEntry& first = entries[done].second;
      failure = core->port.Unmap(core->Address(range->slot, range->tensor, first.offset),
                                 entries[last - 1].second.end() - first.offset, last - done, tally);
      if (!failure.ok()) break;
      done = last;
    }
    lock->lock();
    for (size_t i = 0; i < done; ++i) {
      core->pool.Drop(entries[i].second.page, &Page::condemned);
      *unmapped_bytes += entries[i].second.bytes;
    }
    range->entries.erase(range->entries.begin(),
                         range->entries.begin() + static_cast<std::ptrdiff_t>(done));
    range->busy = false;
    const auto slot = static_cast<int32_t>(range->slot);
    if (range->entries.empty()) {
      --core->slots[range->slot].condemned;
      core->live_mappings -= range->mappings;
      core->condemned.erase(range);
    }
    core->changed.notify_all();
    core->trace.Emit(VATTN_EVENT_EVICT, thread, start, slot, *unmapped_bytes, 0);
    if (!failure.ok()) return Status::OfDriver(failure, "unmapping pages that left a sequence");
  }
}

Status ReleaseFree(CacheCore* core, Lock* lock, uint64_t bytes, EventThread thread, Tally* tally,
                   uint64_t* released) {
  *released = 0;
  const int64_t start = core->trace.Now();
  Status status;
  while (*released < bytes && status.ok()) {
    const auto id = core->pool.FindFree();
    if (!id) break;
    const Page page = core->pool.page(*id);
    core->pool.TakeThis(*id);  // nobody else's while it goes
    lock->unlock();
    const DriverStatus driver = core->port.Release(page.handle, page.bytes, tally);
    lock->lock();
    core->pool.Drop(*id, &Page::live);
    if (driver.ok()) {
      core->pool.Remove(*id);
      *released += page.bytes;
    } else {
      status = Status::OfDriver(driver, "giving memory back to the system");
    }
  }
  if (*released > 0) {
    core->changed.notify_all();
    core->trace.Emit(VATTN_EVENT_RELEASE, thread, start, -1, *released, 0);
  }
  return status;
}

}  // namespace vattention::memory
