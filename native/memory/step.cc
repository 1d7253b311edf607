#include "memory/step.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "memory/growth.h"
#include "memory/reclaim.h"
#include "memory/sharing.h"
#include "memory/slot_choice.h"

namespace vattention::memory {
namespace {

// What a step holds while it is at work outside the lock.
class Claims {
 public:
  explicit Claims(CacheCore* core) : core_(core) {}
  ~Claims() { Release(); }
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  void AddSequence(uint32_t index, uint32_t length) {
    core_->sequences[index].wanted = length;
    core_->sequences[index].stepping = true;
    sequences_.push_back(index);
  }
  void AddSlot(uint32_t slot) {
    core_->slots[slot].busy = Busy::kCaller;
    slots_.push_back(slot);
  }
  void Release() {
    for (const uint32_t slot : slots_) core_->slots[slot].busy = Busy::kNo;
    for (const uint32_t index : sequences_) {
      core_->sequences[index].wanted = 0;
      core_->sequences[index].stepping = false;
    }
    slots_.clear();
    sequences_.clear();
    core_->changed.notify_all();
  }

  const std::vector<uint32_t>& sequences() const { return sequences_; }

 private:
  CacheCore* const core_;
  std::vector<uint32_t> slots_;
  std::vector<uint32_t> sequences_;
};

class StepCall {
 public:
  StepCall(CacheCore* core, const vattn_sequence* handles, const uint32_t* lengths, int32_t count,
           vattn_step_result* result)
      : core_(core),
        handles_(handles),
        lengths_(lengths),
        count_(static_cast<size_t>(count)),
        result_(result),
        start_ns_(core->trace.Now()) {}

  Status Run() {
    {
      Lock lock(core_->mutex);
      bool ready = false;
      if (Status status = Check(&ready); !status.ok()) return status;
      if (ready) {
        Finish();
        return {};
      }
    }
    std::lock_guard operation(core_->operation);
    Lock lock(core_->mutex);
    lock_ = &lock;
    Status status = RunSlowly();
    mapper_hold_.reset();
    return status;
  }

 private:
  // Validates the whole batch. *ready: nothing has to be done but to write the lengths down.
  Status Check(bool* ready) {
    if (Status status = core_->CheckOpen(); !status.ok()) return status;
    *ready = !HasHousekeeping();
    const uint64_t stamp = ++core_->step_stamp;
    for (size_t i = 0; i < count_; ++i) {
      uint32_t index;
      if (Status status = core_->FindSequence(handles_[i], &index); !status.ok()) return status;
      Sequence& sequence = core_->sequences[index];
      const uint32_t length = lengths_[i];
      if (length < sequence.Length() || length > core_->max_length()) {
        return Status::InvalidArgument("expected a length from ", sequence.Length(), " to ",
                                       core_->max_length(), " for sequence ", handles_[i],
                                       ", received ", length,
                                       "; lengths never shrink in a step, truncate does that.");
      }
      if (sequence.stamp == stamp) {
        return Status::InvalidArgument("expected every sequence once in a step, received ",
                                       handles_[i], " twice.");
      }
      sequence.stamp = stamp;
      if (length > sequence.ready) *ready = false;
    }
    return {};
  }

  // Without a mapper steps unmap what left sequences, and give back what a lower limit asks for.
  bool HasHousekeeping() const {
    if (core_->has_mapper) return false;
    if (core_->pool.total_bytes() > core_->limit_bytes && core_->pool.free_bytes() > 0) return true;
    return !core_->condemned.empty() && Passed(core_->condemned.front().fence);
  }

  // Writes the lengths down.
  void Finish() {
    for (size_t i = 0; i < count_; ++i) {
      const uint32_t index = core_->handles.Find(handles_[i]);
      Sequence& sequence = core_->sequences[index];
      sequence.backed = std::max(sequence.backed, lengths_[i]);
      if (sequence.backed > sequence.ahead_at) core_->QueueAhead(index);
    }
    ++core_->counters.steps;
    if (tally_.calls > 0) ++core_->counters.steps_mapped_sync;
    RecordLatency();
    result_->outcome = VATTN_STEP_OK;
    result_->driver_calls = static_cast<int32_t>(tally_.calls);
    result_->mapped_bytes = tally_.mapped_bytes;
    core_->trace.Emit(VATTN_EVENT_STEP, EventThread::kCaller, start_ns_, -1, tally_.mapped_bytes,
                      static_cast<int64_t>(count_));
  }

  void RecordLatency() {
    const auto ns = static_cast<uint64_t>(std::max<int64_t>(1, core_->trace.Now() - start_ns_));
    ++core_->counters.step_ns_histogram[std::min<int>(std::bit_width(ns) - 1, 39)];
  }

  Status RunSlowly() {
    while (true) {
      core_->SettleFences();
      DoHousekeeping();
      bool ready = false;
      if (Status status = Check(&ready); !status.ok()) return status;
      if (WaitForMapper()) continue;  // things may have changed meanwhile
      if (AllReady()) {
        Finish();
        return {};
      }
      bool again = false;
      Status status = Grow(&again);
      if (!status.ok() || !again) return status;
    }
  }

  bool AllReady() const {
    for (size_t i = 0; i < count_; ++i) {
      if (lengths_[i] > core_->sequences[core_->handles.Find(handles_[i])].ready) return false;
    }
    return true;
  }

  // Failures stay for the next step: nothing that this one needs.
  void DoHousekeeping() {
    if (!HasHousekeeping()) return;
    const int64_t start = core_->trace.Now();
    uint64_t bytes = 0;
    Status status = UnmapCondemned(core_, lock_, EventThread::kCaller, &tally_, &bytes);
    if (status.ok() && core_->pool.total_bytes() > core_->limit_bytes) {
      status = ReleaseFree(core_, lock_, core_->pool.total_bytes() - core_->limit_bytes,
                           EventThread::kCaller, &tally_, &bytes);
    }
    if (!status.ok()) {
      core_->trace.Emit(VATTN_EVENT_DRIVER_ERROR, EventThread::kCaller, start, -1, 0,
                        status.driver_code());
    }
  }

  // Waits until the mapper has left the slots of this batch. True when it had to.
  bool WaitForMapper() {
    for (size_t i = 0; i < count_; ++i) {
      const Sequence& sequence = core_->sequences[core_->handles.Find(handles_[i])];
      if (lengths_[i] <= sequence.ready || sequence.slot == kNone) continue;
      if (core_->slots[sequence.slot].busy == Busy::kNo) continue;
      core_->changed.wait(*lock_);
      return true;
    }
    return false;
  }

  // One attempt to make all of the batch ready. *again: look at the batch once more.
  Status Grow(bool* again) {
    Claims claims(core_);
    Growth growth(core_, lock_, {EventThread::kCaller, true, PrefersAdjacent()});
    const std::vector<uint32_t>& batch = claims.sequences();
    for (size_t i = 0; i < count_; ++i) {
      claims.AddSequence(core_->handles.Find(handles_[i]), lengths_[i]);
    }
    bool planned = true;
    const uint32_t claim = core_->pool.NextMark();
    NoSlotReason reason{};
    for (size_t i = 0; i < count_ && planned; ++i) {
      const Sequence& sequence = core_->sequences[batch[i]];
      if (lengths_[i] <= sequence.ready) continue;
      const Share* share = sequence.share.get();
      const uint64_t rows = uint64_t{lengths_[i]} + core_->config.tail_rows;
      GrowthRequest request{sequence.slot,   batch[i],    core_->FrontRow(sequence),
                            sequence.backed, lengths_[i], rows,
                            share,           nullptr,     claim};
      if (sequence.slot == kNone) {
        request.slot = ChooseSlot(*core_, share, rows, &reason);
        if (request.slot == kNone) {
          planned = false;
          break;
        }
        if (share != nullptr) {
          Sequence shown;
          shown.first_kept = share->first_kept;
          request.first_row = core_->FrontRow(shown);
        }
      }
      claims.AddSlot(request.slot);
      growth.Add(PlanGrowth(core_, request));
    }

    auto outcome = Growth::Outcome::kOutOfMemory;
    if (planned) outcome = growth.Run();
    if (outcome == Growth::Outcome::kDone) Commit(&growth);
    claims.Release();
    AddTally(growth.tally());
    if (!planned) return WithoutSlot(reason, again);
    switch (outcome) {
      case Growth::Outcome::kDone:
        *again = true;
        return {};
      case Growth::Outcome::kFailed:
        return growth.error();
      case Growth::Outcome::kOutOfMemory:
        break;
    }
    // The mapper may be holding what is missing: let it finish, and try once more before giving up.
    if (HoldMapperOff()) {
      *again = true;
      return {};
    }
    OutOfMemory(growth.limit(), growth.needed_bytes());
    return {};
  }

  // Past half of the budget mappings are dearer than time.
  bool PrefersAdjacent() const { return core_->live_mappings > core_->config.mapping_budget / 2; }

  void Commit(Growth* growth) {
    growth->Commit();
    if (!core_->trace.enabled()) return;
    for (const GrowthPlan& plan : growth->plans()) {
      const auto slot = static_cast<int32_t>(plan.slot);
      auto emit = [&](vattn_event_kind kind, uint64_t bytes, uint64_t items) {
        if (items == 0) return;
        core_->trace.Emit(kind, EventThread::kCaller, start_ns_, slot, bytes,
                          static_cast<int64_t>(items));
      };
      emit(VATTN_EVENT_ADOPT, 0, plan.kept_pages);
      uint64_t aliased = 0;
      uint64_t pages = 0;
      for (const Placement& place : plan.placements) {
        if (!place.alias) continue;
        aliased += place.bytes;
        ++pages;
      }
      emit(VATTN_EVENT_ALIAS, aliased, pages);
      uint64_t copied = 0;
      for (const PrefixCopy& copy : plan.prefix_copies) copied += copy.bytes;
      for (const PrivateCopy& copy : plan.private_copies) copied += copy.valid;
      emit(VATTN_EVENT_COPY, copied, plan.prefix_copies.size() + plan.private_copies.size());
      uint64_t zeroed = 0;
      for (const ZeroRange& range : plan.zeros) zeroed += range.bytes;
      emit(VATTN_EVENT_ZERO, zeroed, plan.zeros.size());
    }
  }

  Status WithoutSlot(NoSlotReason reason, bool* again) {
    switch (reason) {
      case NoSlotReason::kBusy:
        *again = true;
        core_->changed.wait(*lock_);
        return {};
      case NoSlotReason::kCondemned: {
        *again = true;
        uint64_t bytes = 0;
        Status status = UnmapCondemned(core_, lock_, EventThread::kCaller, &tally_, &bytes);
        if (!status.ok() || bytes > 0) return status;
        const bool mapper_unmaps = std::any_of(core_->condemned.begin(), core_->condemned.end(),
                                               [](const Condemned& range) { return range.busy; });
        if (mapper_unmaps) core_->changed.wait(*lock_);
        return {};
      }
      case NoSlotReason::kFenced:
        break;
    }
    OutOfMemory(VATTN_LIMIT_BYTES, core_->layout.bytes_per_token);
    return {};
  }

  // True the first time: the mapper rests now, until this call ends.
  bool HoldMapperOff() {
    if (mapper_hold_ || !core_->has_mapper) return false;
    mapper_hold_.emplace(core_, lock_);
    return true;
  }

  void OutOfMemory(vattn_step_limit limit, uint64_t needed) {
    ++core_->counters.steps_out_of_memory;
    RecordLatency();
    result_->outcome = VATTN_STEP_OUT_OF_MEMORY;
    result_->limit = limit;
    result_->needed_bytes = needed;
    result_->pending_bytes = CountReclaimable(core_, Reach::kParked).pending;
    result_->evictable_bytes = core_->pool.bytes_in(PageState::kParked) +
                               core_->pool.bytes_in(PageState::kRetained) -
                               RetainedForExports(*core_);
    core_->trace.Emit(VATTN_EVENT_OUT_OF_MEMORY, EventThread::kCaller, start_ns_, -1, needed,
                      static_cast<int64_t>(count_));
  }

  void AddTally(const Tally& tally) {
    tally_.calls += tally.calls;
    tally_.mapped_bytes += tally.mapped_bytes;
    tally_.zeroed_bytes += tally.zeroed_bytes;
    tally_.copied_bytes += tally.copied_bytes;
  }

  CacheCore* const core_;
  const vattn_sequence* const handles_;
  const uint32_t* const lengths_;
  const size_t count_;
  vattn_step_result* const result_;
  const int64_t start_ns_;
  Lock* lock_ = nullptr;
  Tally tally_;
  std::optional<MapperHold> mapper_hold_;
};

}  // namespace

Status Step(CacheCore* core, const vattn_sequence* sequences, const uint32_t* lengths,
            int32_t count, vattn_step_result* result) {
  if (count < 0 || (count > 0 && (sequences == nullptr || lengths == nullptr))) {
    return Status::InvalidArgument("expected arrays of `count` sequences and lengths, received ",
                                   count, " with a missing array.");
  }
  std::memset(result, 0, sizeof(*result));
  result->size = sizeof(*result);
  return StepCall(core, sequences, lengths, count, result).Run();
}

}  // namespace vattention::memory
