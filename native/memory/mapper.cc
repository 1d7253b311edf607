#include "memory/mapper.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>
#include <vector>

#include "memory/growth.h"
#include "memory/limits.h"
#include "memory/reclaim.h"
#include "memory/slot_choice.h"

namespace vattention::memory {
namespace {

// A piece of work holds a slot, or the driver, for well below a millisecond.
constexpr size_t kPagesAtOnce = 16;
constexpr uint64_t kZeroBytesAtOnce = 1 << 20;
constexpr uint64_t kReleaseBytesAtOnce = 8 << 20;
constexpr uint64_t kAllRows = uint64_t{1} << 31;  // more than any slot has
// Fences are asked this often; a pass of a model takes several times as long.
constexpr int64_t kFencePollNs = 1'000'000;
constexpr int64_t kFirstDelayNs = 1'000'000;
constexpr int64_t kLongestDelayNs = 1'000'000'000;

// Holds a slot for as long as it lives; made and ended with the lock.
class SlotClaim {
 public:
  SlotClaim(CacheCore* core, uint32_t slot) : core_(core), slot_(slot) {
    core_->slots[slot_].busy = Busy::kMapper;
  }
  ~SlotClaim() {
    core_->slots[slot_].busy = Busy::kNo;
    core_->changed.notify_all();
  }
  SlotClaim(const SlotClaim&) = delete;
  SlotClaim& operator=(const SlotClaim&) = delete;

 private:
  CacheCore* const core_;
  const uint32_t slot_;
};

}  // namespace

Mapper::Mapper(CacheCore* core) : core_(core) {
  thread_ = std::thread([this] { Loop(); });
}

void Mapper::Stop() {
  {
    Lock lock(core_->mutex);
    stop_ = true;
    core_->mapper_asleep = false;
    core_->wake.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  Lock lock(core_->mutex);
  core_->changed.notify_all();
}

void Mapper::Pause() {
  Lock lock(core_->mutex);
  paused_ = true;
  core_->changed.wait(lock, [&] { return !core_->mapper_working; });
}

void Mapper::Resume() {
  Lock lock(core_->mutex);
  paused_ = false;
  core_->WakeMapper();
}

Status Mapper::Drain() {
  Lock lock(core_->mutex);
  const uint64_t passes = idle_passes_;
  backoff_ = {};
  core_->WakeMapper();
  core_->changed.wait(lock, [&] { return paused_ || stop_ || idle_passes_ > passes; });
  if (!paused_ || stop_) return {};
  return Status::Error(VATTN_BUSY, "the mapper is paused; resume it before draining it.");
}

void Mapper::Loop() {
  Lock lock(core_->mutex);
  while (!stop_) {
    if (!paused_ && core_->mapper_holds_off == 0) {
      core_->mapper_working = true;
      bool worked = false;
      try {
        worked = DoOne(&lock);
      } catch (const std::exception&) {
        // A broken invariant, or no memory for bookkeeping: steps do without it from now on.
        if (!lock.owns_lock()) lock.lock();
        Emit(VATTN_EVENT_DRIVER_ERROR, core_->trace.Now(), -1, 0, VATTN_INTERNAL);
        paused_ = true;
      }
      core_->mapper_working = false;
      if (!worked) ++idle_passes_;
      core_->changed.notify_all();
      if (worked) continue;
    }
    Sleep(&lock);
  }
}

// Until somebody wants something, a fence is to be asked again, or a delay is over.
void Mapper::Sleep(Lock* lock) {
  core_->mapper_asleep = true;
  auto awake = [&] { return stop_ || !core_->mapper_asleep; };
  int64_t sleep_ns = kLongestDelayNs;
  bool timed = false;
  if (!paused_ && core_->mapper_holds_off == 0) {
    const int64_t now = core_->trace.Now();
    for (const Backoff& backoff : backoff_) {
      if (backoff.until_ns <= now) continue;
      timed = true;
      sleep_ns = std::min(sleep_ns, backoff.until_ns - now);
    }
    const bool fences = std::any_of(core_->slots.begin(), core_->slots.end(),
                                    [](const Slot& slot) { return slot.fence != nullptr; });
    if (fences || !core_->condemned.empty()) {
      timed = true;
      sleep_ns = std::min(sleep_ns, kFencePollNs);
    }
  }
  if (timed) {
    core_->wake.wait_for(*lock, std::chrono::nanoseconds(sleep_ns), awake);
  } else {
    core_->wake.wait(*lock, awake);
  }
  core_->mapper_asleep = false;
}

bool Mapper::DoOne(Lock* lock) {
  core_->SettleFences();
  for (size_t work = 0; work < kWorks; ++work) {
    if (backoff_[work].until_ns > core_->trace.Now()) continue;
    if (Do(static_cast<Work>(work), lock)) return true;
  }
  return false;
}

bool Mapper::Do(Work work, Lock* lock) {
  switch (work) {
    case kShrink:
      return Shrink(lock);
    case kUnmap:
      return UnmapLeft(lock);
    case kAhead:
      return MapAhead(lock);
    case kRefill:
      return Refill(lock);
    case kIdle:
      return PrepareIdle(lock);
    case kZero:
      return ZeroParked(lock);
    case kWorks:
      break;
  }
  return false;
}

void Mapper::Emit(vattn_event_kind kind, int64_t start_ns, int32_t slot, uint64_t bytes,
                  int64_t count) {
  core_->trace.Emit(kind, EventThread::kMapper, start_ns, slot, bytes, count);
}

void Mapper::PutOff(Work work) {
  Backoff& backoff = backoff_[work];
  backoff.delay_ns = std::clamp(2 * backoff.delay_ns, kFirstDelayNs, kLongestDelayNs);
  backoff.until_ns = core_->trace.Now() + backoff.delay_ns;
}

void Mapper::Failed(Work work, const Status& status, int64_t start_ns) {
  PutOff(work);
  Emit(VATTN_EVENT_DRIVER_ERROR, start_ns, -1, 0,
       status.driver_code() != 0 ? status.driver_code() : int64_t{status.code()});
}

bool Mapper::Shrink(Lock* lock) {
  const uint64_t total = core_->pool.total_bytes();
  if (total <= core_->limit_bytes) return false;
  const int64_t start = core_->trace.Now();
  Tally tally;
  uint64_t released = 0;
  const Status status = ShrinkTo(
      core_, lock, std::max(core_->limit_bytes, total - std::min(total, kReleaseBytesAtOnce)),
      EventThread::kMapper, &tally, &released);
  if (status.ok()) {
    backoff_[kShrink] = {};
  } else {
    Failed(kShrink, status, start);
  }
  return released > 0;
}

bool Mapper::UnmapLeft(Lock* lock) {
  if (core_->condemned.empty()) return false;
  const int64_t start = core_->trace.Now();
  Tally tally;
  uint64_t bytes = 0;
  const Status status = UnmapCondemned(core_, lock, EventThread::kMapper, &tally, &bytes);
  if (status.ok()) {
    backoff_[kUnmap] = {};
  } else {
    Failed(kUnmap, status, start);
  }
  return bytes > 0;
}

bool Mapper::MapAhead(Lock* lock) {
  while (!core_->ahead_queue.empty()) {
    const uint32_t index = core_->ahead_queue.front();
    core_->ahead_queue.pop_front();
    Sequence& sequence = core_->sequences[index];
    sequence.queued = false;
    // A step at work on it asks again if it is still needed.
    if (!core_->handles.IsLive(index) || sequence.slot == kNone || sequence.stepping) continue;
    if (core_->slots[sequence.slot].busy != Busy::kNo) continue;
    if (sequence.backed <= sequence.ahead_at) continue;
    return MapAheadOf(lock, index);
  }
  return false;
}

bool Mapper::MapAheadOf(Lock* lock, uint32_t index) {
  Sequence* sequence = &core_->sequences[index];
  const uint32_t slot_index = sequence->slot;
  Slot* slot = &core_->slots[slot_index];
  const uint64_t length = std::min<uint64_t>(
      uint64_t{sequence->backed} + core_->config.ahead_tokens, core_->max_length());
  // Kernels in flight may read up to the tail; behind a truncation, anything.
  const uint64_t settled = slot->fence == nullptr
                               ? uint64_t{sequence->backed} + core_->config.tail_rows
                               : ~uint64_t{0} >> 20;
  GrowthPlan plan = PlanGrowth(
      core_, {slot_index, index, core_->FrontRow(*sequence), sequence->backed, sequence->backed,
              length + core_->config.tail_rows, nullptr, &settled, core_->pool.NextMark()});
  // What a truncation forgot may still be read, tail rows even by who comes after it; a step is
  // ordered among them, this thread is not.
  const bool readable =
      std::any_of(plan.zeros.begin(), plan.zeros.end(), [&](const ZeroRange& range) {
        return range.offset < settled * core_->tensor(range.tensor).row_bytes;
      });
  if (readable) {
    plan.zeros.clear();
    plan.clean_rows = 0;
  }
  if (!plan.NeedsDriver()) {
    slot->clean_rows = std::max(slot->clean_rows, plan.clean_rows);
    core_->UpdateReady(sequence);
    // Only a step can do what is left, if anything is.
    if (sequence->backed > sequence->ahead_at) sequence->ahead_at = Sequence::kNever;
    return true;
  }
  const bool partial = plan.displaced.empty() && plan.placements.size() > kPagesAtOnce;
  if (partial) {
    plan.placements.resize(kPagesAtOnce);
    plan.zeros.clear();
    plan.clean_rows = 0;  // not all of it is clean yet
  }
  const int64_t start = core_->trace.Now();
  SlotClaim claim(core_, slot_index);
  Growth growth(core_, lock, {EventThread::kMapper, false, true});
  growth.Add(std::move(plan));
  const Growth::Outcome outcome = growth.Run();
  if (outcome == Growth::Outcome::kDone) {
    growth.Commit();
    backoff_[kAhead] = {};
    Emit(VATTN_EVENT_MAP_AHEAD, start, static_cast<int32_t>(slot_index),
         growth.tally().mapped_bytes, 0);
    if (partial && !sequence->queued) {
      sequence->queued = true;
      core_->ahead_queue.push_front(index);
    }
    return true;
  }
  // Without memory, or after an error: later, unless the sequence has what it needs by then.
  if (!sequence->queued) {
    sequence->queued = true;
    core_->ahead_queue.push_back(index);
  }
  if (outcome == Growth::Outcome::kFailed) {
    Failed(kAhead, growth.error(), start);
  } else {
    PutOff(kAhead);
  }
  return false;
}

bool Mapper::Refill(Lock* lock) {
  const uint64_t page = core_->config.smallest();
  const uint64_t free = core_->pool.free_bytes();
  const uint64_t wanted = std::min(core_->config.low_water_bytes, core_->limit_bytes / 2);
  if (free + page > wanted) return false;
  const int64_t start = core_->trace.Now();
  const uint64_t missing = (wanted - free) / page * page;
  const uint64_t room = core_->CreatableBytes() / page * page;
  Tally tally;
  if (room == 0) {
    // The limit is reached: parked slots give, but for what is kept for the next prompts.
    const uint64_t kept = core_->config.idle_slots * core_->config.idle_bytes;
    const uint64_t parked = core_->pool.bytes_in(PageState::kParked);
    if (parked < kept + page) return false;
    Reclaimer reclaimer(core_, EventThread::kMapper, &tally);
    uint64_t freed = 0;
    const Status status =
        reclaimer.FreeBytes(lock, std::min(missing, parked - kept), Reach::kParked, &freed);
    if (!status.ok()) Failed(kRefill, status, start);
    if (status.ok() && freed == 0) PutOff(kRefill);
    if (freed > 0) backoff_[kAhead] = {};
    return freed > 0;
  }
  const uint64_t bytes = std::min({missing, room, kPagesAtOnce * page});
  std::vector<PageHandle> handles;
  core_->creating_bytes += bytes;
  lock->unlock();
  const DriverStatus status =
      core_->port.Create(page, static_cast<int>(bytes / page), kNoPage, &handles, &tally);
  lock->lock();
  core_->creating_bytes -= bytes;
  if (!status.ok()) {
    Failed(kRefill, Status::OfDriver(status, "creating pages"), start);
    return false;
  }
  for (const PageHandle handle : handles) core_->pool.AddFree(handle, page);
  backoff_[kRefill] = {};
  backoff_[kAhead] = {};
  Emit(VATTN_EVENT_REFILL, start, -1, bytes, static_cast<int64_t>(handles.size()));
  return true;
}

uint64_t Mapper::IdleRows() const {
  return std::min<uint64_t>(core_->config.idle_bytes / core_->layout.bytes_per_token,
                            core_->max_length());
}

bool Mapper::PrepareIdle(Lock* lock) {
  if (core_->config.idle_slots == 0) return false;
  const uint64_t rows = IdleRows();
  if (rows == 0) return false;
  uint32_t prepared = 0;
  uint32_t candidate = kNone;
  SlotFit best{};
  for (uint32_t s = 0; s < core_->slots.size(); ++s) {
    const Slot& slot = core_->slots[s];
    if (!core_->IsIdle(slot) || slot.condemned > 0) continue;
    const SlotFit fit = FitOfSlot(*core_, slot, nullptr, rows);
    if (fit.missing == 0) {
      if (++prepared == core_->config.idle_slots) return false;
    } else if (fit.displaced == 0 && (candidate == kNone || fit.missing < best.missing)) {
      candidate = s;
      best = fit;
    }
  }
  if (candidate == kNone) return false;
  GrowthPlan plan = PlanGrowth(
      core_, {candidate, kNone, 0, 0, 0, rows, nullptr, nullptr, core_->pool.NextMark()});
  uint64_t bytes = 0;
  for (const Placement& place : plan.placements) bytes += place.bytes;
  // Not from what is kept for growing sequences.
  const uint64_t spare = core_->CreatableBytes() + core_->pool.free_bytes();
  if (!plan.displaced.empty() || plan.placements.empty() ||
      spare < bytes + core_->config.low_water_bytes) {
    return false;
  }
  plan.zeros.clear();  // that is other work
  if (plan.placements.size() > kPagesAtOnce) plan.placements.resize(kPagesAtOnce);
  const int64_t start = core_->trace.Now();
  SlotClaim claim(core_, candidate);
  Growth growth(core_, lock, {EventThread::kMapper, false, true});
  growth.Add(std::move(plan));
  const Growth::Outcome outcome = growth.Run();
  if (outcome == Growth::Outcome::kDone) {
    growth.CommitParked();
    backoff_[kIdle] = {};
    Emit(VATTN_EVENT_MAP_AHEAD, start, static_cast<int32_t>(candidate), growth.tally().mapped_bytes,
         0);
    return true;
  }
  if (outcome == Growth::Outcome::kFailed) {
    Failed(kIdle, growth.error(), start);
  } else {
    PutOff(kIdle);
  }
  return false;
}

bool Mapper::ZeroParked(Lock* lock) {
  if (!core_->config.zero_recycled) return false;
  // Of every slot what the next prompt needs; then the rest, which a growing sequence reaches
  // later.
  for (const uint64_t rows : {IdleRows(), kAllRows}) {
    for (uint32_t s = 0; s < core_->slots.size(); ++s) {
      if (!core_->slots[s].maybe_dirty || !core_->IsIdle(core_->slots[s])) continue;
      if (ZeroSome(lock, s, rows)) return true;
    }
  }
  return false;
}

// Zeroes a run of one slot's pages that nobody relies on and that begin before `rows`. False when
// there is none.
bool Mapper::ZeroSome(Lock* lock, uint32_t slot_index, uint64_t rows) {
  Slot* slot = &core_->slots[slot_index];
  std::vector<PageId> pages;
  uint64_t from = 0;
  uint64_t to = 0;
  uint32_t tensor = 0;
  for (uint32_t t = 0; t < core_->tensors() && pages.empty(); ++t) {
    for (const MapEntry& entry : slot->maps[t].entries()) {
      if (entry.offset >= rows * core_->tensor(t).row_bytes) break;
      const Page& page = core_->pool.page(entry.page);
      // Mapped here only: another parked slot with the page may be adopted meanwhile.
      const bool wanted = page.dirty_end > 0 && IsLastHold(page, false);
      if (!pages.empty() && (!wanted || entry.offset != to || to - from >= kZeroBytesAtOnce)) break;
      if (!wanted) continue;
      if (pages.empty()) from = entry.offset;
      tensor = t;
      to = entry.offset + page.dirty_end;
      pages.push_back(entry.page);
      if (page.dirty_end < entry.bytes) break;
    }
  }
  if (pages.empty()) {
    if (rows == kAllRows) slot->maybe_dirty = false;
    return false;
  }
  const int64_t start = core_->trace.Now();
  SlotClaim claim(core_, slot_index);
  Tally tally;
  lock->unlock();
  const DriverStatus status =
      core_->port.Zero(core_->Address(slot_index, tensor, from), to - from, &tally);
  lock->lock();
  if (!status.ok()) {
    Failed(kZero, Status::OfDriver(status, "zeroing parked pages"), start);
    return false;
  }
  for (const PageId page : pages) core_->pool.MarkClean(page);
  backoff_[kZero] = {};
  Emit(VATTN_EVENT_ZERO, start, static_cast<int32_t>(slot_index), to - from, 0);
  return true;
}

}  // namespace vattention::memory
