// The step: plan without changing anything, fill the blocks that were taken, then commit. Until the
// commit, which cannot fail, everything can be undone: a failed driver call or a full pool leaves
// the cache as it was. (Cached blocks whose content a failed step had begun to overwrite become
// free.)
#include <algorithm>
#include <bit>

#include "memory/invariant.h"
#include "paged/paged_cache.h"

namespace vattention::paged {
namespace {

// reserve() of the standard library grows to exactly what is asked, again and again.
template <typename T>
void Reserve(std::vector<T>* vector, size_t size) {
  if (vector->capacity() < size) vector->reserve(std::max(size, 2 * vector->capacity()));
}

}  // namespace

Status PagedCache::Step(std::span<const vattn_sequence> sequences, const uint32_t* lengths,
                        vattn_step_result* result) {
  const int64_t start = trace_.Now();
  std::unique_lock lock(mutex_);
  vattn_step_result outcome = {};
  outcome.size = sizeof(outcome);
  int32_t needed = 0;
  FencePtr fence;  // what the attached streams had been given when blocks were copied or replaced
  for (bool waited = false;; waited = true) {
    if (Status status = CheckOpen(); !status.ok()) return status;
    Collect();
    bool copies = false;
    needed = 0;
    if (Status status = PlanStep(sequences, lengths, &needed, &copies); !status.ok()) return status;
    if (!MakeRoom(&needed)) {
      outcome.outcome = VATTN_STEP_OUT_OF_MEMORY;
      outcome.limit = VATTN_LIMIT_BYTES;
      outcome.needed_bytes = Bytes(needed - pool_.Available());
      outcome.pending_bytes = Bytes(pool_.counts().condemned);
      outcome.evictable_bytes = Bytes(pool_.counts().cached);
      ++counters_.steps_out_of_memory;
      Emit(VATTN_EVENT_OUT_OF_MEMORY, start, -1, outcome.needed_bytes,
           static_cast<int64_t>(sequences.size()));
      WriteSized(outcome, result);
      return {};
    }
    if (!copies) break;
    // A copy reads what streams are still writing: it comes after them. The lock is given up
    // meanwhile, since what those streams run may need it; then the plan is made anew.
    if (Status status = streams_.RecordAll(&fence); !status.ok()) return status;
    if (fence == nullptr || waited) break;
    lock.unlock();
    const DriverStatus status = fence->WaitBeforeOwnWork(driver_.get());
    lock.lock();
    if (!status.ok()) return Status::OfDriver(status, "waiting for streams before a copy");
  }

  if (fence != nullptr) {  // so that the commit allocates nothing
    condemned_.reserve(condemned_.size() + 1);
    replaced_.reserve(jobs_.size());
  }
  const uint64_t calls_before = memory_.driver_calls();
  if (needed > 0 || !jobs_.empty()) {
    for (int32_t i = 0; i < needed; ++i) taken_.push_back({pool_.Take(), false});
    const DriverStatus status = FillBlocks();
    if (!status.ok()) {
      PutBackTaken();
      counters_.driver_calls += memory_.driver_calls() - calls_before;
      Emit(VATTN_EVENT_DRIVER_ERROR, start, -1, 0, status.code);
      return Status::OfDriver(status, "zeroing and copying blocks");
    }
  }
  CommitStep(sequences, lengths, fence);

  const uint64_t calls = memory_.driver_calls() - calls_before;
  outcome.outcome = VATTN_STEP_OK;
  outcome.mapped_bytes = Bytes(needed);
  outcome.driver_calls = static_cast<int32_t>(calls);
  ++counters_.steps;
  counters_.steps_mapped_sync += calls > 0;
  counters_.driver_calls += calls;
  counters_.pages_mapped += static_cast<uint64_t>(needed);
  const auto ns = static_cast<uint64_t>(trace_.Now() - start);
  ++counters_
        .step_ns_histogram[std::min<size_t>(static_cast<size_t>(std::bit_width(ns | 1)) - 1, 39)];
  Emit(VATTN_EVENT_STEP, start, -1, outcome.mapped_bytes, static_cast<int64_t>(sequences.size()));
  WriteSized(outcome, result);
  return {};
}

Status PagedCache::PlanStep(std::span<const vattn_sequence> sequences, const uint32_t* lengths,
                            int32_t* needed, bool* copies) {
  ++stamp_;
  jobs_.clear();
  taken_.clear();
  dirty_.clear();
  for (size_t i = 0; i < sequences.size(); ++i) {
    uint32_t index;
    if (Status status = Find(sequences[i], &index); !status.ok()) return status;
    SequenceState& state = states_[index];
    const uint32_t length = lengths[i];
    if (state.stamp == stamp_) {
      return Status::InvalidArgument("Expected each sequence once in a step, received sequence ",
                                     sequences[i], " again at index ", i, ".");
    }
    state.stamp = stamp_;
    const uint32_t least = std::max(state.length, state.reserved);
    if (length < least) {
      return Status::InvalidArgument(
          "Expected at least ", least, " for lengths[", i, "], what sequence ", sequences[i],
          " has or shares already, received ", length, ". Truncate the sequence to shorten it.");
    }
    if (length > static_cast<uint64_t>(options_.shape.max_length)) {
      return Status::InvalidArgument("Expected at most ", options_.shape.max_length,
                                     " (maxLength) for lengths[", i, "], received ", length, ".");
    }
    const bool backed = state.reserved == 0 && !(state.check_tail && length > state.length) &&
                        static_cast<size_t>(BlocksFor(length)) <= state.table.size();
    if (backed) continue;
    const Job job = PlanJob(index, length);
    *needed += job.blocks;
    *copies |= job.tail == Job::Tail::kCopy || job.tail == Job::Tail::kReplace;
    Reserve(&state.table, static_cast<size_t>(BlocksFor(length)));
    jobs_.push_back(job);
  }
  const auto blocks = static_cast<size_t>(*needed);
  Reserve(&taken_, blocks);
  Reserve(&dirty_, blocks);
  return {};
}

PagedCache::Job PagedCache::PlanJob(uint32_t index, uint32_t length) {
  const SequenceState& state = states_[index];
  Job job = {.index = index,
             .length = length,
             .blocks = BlocksFor(length) - static_cast<int32_t>(state.table.size()),
             .tail = Job::Tail::kNone,
             .block = kNoBlock,
             .rows = 0};
  if (state.reserved > 0) {
    job.rows = static_cast<int32_t>(state.reserved & mask_);
    job.block = state.copy_source;
    if (job.block == kNoBlock) return job;
    const Block& source = pool_[job.block];
    const bool last = source.refs == 0 && source.pins == 1 && source.holds == 0 &&
                      tree_.NodeOf(job.block) == kNoNode;
    job.tail = last ? Job::Tail::kAdopt : Job::Tail::kCopy;
    job.blocks -= last;
    return job;
  }
  if (!state.check_tail || length == state.length) return job;
  job.rows = static_cast<int32_t>(state.length & mask_);
  job.block = state.table.back();
  if (job.block == kNoBlock) {
    job.tail = Job::Tail::kFill;
    ++job.blocks;
  } else if (!WritableInPlace(job.block, job.rows)) {
    job.tail = Job::Tail::kReplace;
    ++job.blocks;
  }
  return job;
}

// Whether the only user of `block` may write its rows from `row` on.
bool PagedCache::WritableInPlace(BlockId id, int32_t row) const {
  const Block& block = pool_[id];
  return block.refs == 1 && block.holds == 0 && block.pinned_rows <= row &&
         tree_.NodeOf(id) == kNoNode;
}

// Whether there are enough blocks. A block that is copied only because the prefix cache knows it
// can be forgotten there instead, which needs no other block.
bool PagedCache::MakeRoom(int32_t* needed) {
  for (Job& job : jobs_) {
    if (*needed <= pool_.Available()) return true;
    if (job.tail != Job::Tail::kReplace) continue;
    const Block& block = pool_[job.block];
    if (block.refs > 1 || block.holds > 0 || block.pinned_rows > job.rows) continue;
    job.tail = Job::Tail::kForget;
    --job.blocks;
    --*needed;
  }
  return *needed <= pool_.Available();
}

// Makes the content of taken blocks what their sequences may see: zero, or copied rows and zero.
DriverStatus PagedCache::FillBlocks() {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (pool_[taken_[i].id].dirty) dirty_.push_back(i);
  }
  std::ranges::sort(dirty_, {}, [&](size_t i) { return taken_[i].id; });
  int64_t start = trace_.Now();
  for (size_t i = 0; i < dirty_.size();) {
    const BlockId first = taken_[dirty_[i]].id;
    int32_t count = 0;
    for (; i < dirty_.size() && taken_[dirty_[i]].id == first + count; ++i, ++count) {
      taken_[dirty_[i]].written = true;
    }
    if (DriverStatus status = memory_.Zero(first, count); !status.ok()) return status;
  }
  if (!dirty_.empty()) {
    const uint64_t bytes = Bytes(static_cast<int64_t>(dirty_.size()));
    counters_.zeroed_bytes += bytes;
    Emit(VATTN_EVENT_ZERO, start, -1, bytes, static_cast<int64_t>(dirty_.size()));
  }
  size_t fresh = 0;  // the first block taken for the job
  for (const Job& job : jobs_) {
    start = trace_.Now();
    if (job.tail == Job::Tail::kCopy || job.tail == Job::Tail::kReplace) {
      Taken& target = taken_[fresh];
      target.written = true;
      const DriverStatus status = memory_.Copy(target.id, job.block, job.rows);
      if (!status.ok()) return status;
      const uint64_t bytes = static_cast<uint64_t>(job.rows) * geometry_.bytes_per_token;
      counters_.copied_bytes += bytes;
      Emit(VATTN_EVENT_COPY, start, static_cast<int32_t>(job.index), bytes, job.rows);
    } else if (job.tail == Job::Tail::kAdopt) {
      // Rows that the source wrote after the fork are not this sequence's.
      const DriverStatus status = memory_.ZeroTail(job.block, job.rows);
      if (!status.ok()) return status;
      counters_.zeroed_bytes +=
          static_cast<uint64_t>(options_.block_tokens - job.rows) * geometry_.bytes_per_token;
    }
    fresh += static_cast<size_t>(job.blocks);
  }
  return {};
}

void PagedCache::PutBackTaken() {
  for (size_t i = taken_.size(); i > 0; --i) {
    pool_.PutBack(taken_[i - 1].id, taken_[i - 1].written);
  }
  taken_.clear();
}

// Allocates nothing: tables and lists have their capacity already.
void PagedCache::CommitStep(std::span<const vattn_sequence> sequences, const uint32_t* lengths,
                            const FencePtr& fence) {
  const int64_t start = trace_.Now();
  const int64_t evictions = pool_.evictions();
  for (const Taken& taken : taken_) pool_.Commit(taken.id);
  const Taken* fresh = taken_.data();
  for (const Job& job : jobs_) {
    CommitJob(job, fresh, fence);
    fresh += job.blocks;
  }
  if (!replaced_.empty()) condemned_.push_back({fence, std::move(replaced_)});
  replaced_.clear();
  for (size_t i = 0; i < sequences.size(); ++i) {
    SequenceState& state = states_[handles_.Find(sequences[i])];
    if (lengths[i] > state.length) {
      state.length = lengths[i];
      state.check_tail = false;
    }
  }
  if (const int64_t evicted = pool_.evictions() - evictions; evicted > 0) {
    Emit(VATTN_EVENT_EVICT, start, -1, Bytes(evicted), evicted);
  }
}

void PagedCache::CommitJob(const Job& job, const Taken* fresh, const FencePtr& fence) {
  SequenceState& state = states_[job.index];
  if (state.reserved > 0) {
    int64_t aliased = 0;
    for (const BlockId block : state.table) {
      if (block == kNoBlock) continue;
      pool_.RefPinned(block);
      ++aliased;
    }
    if (aliased > 0) {
      counters_.aliased_tokens += static_cast<uint64_t>(aliased) << shift_;
      counters_.pages_mapped += static_cast<uint64_t>(aliased);
      Emit(VATTN_EVENT_ALIAS, trace_.Now(), static_cast<int32_t>(job.index), Bytes(aliased),
           aliased);
    }
    if (job.tail == Job::Tail::kAdopt) {
      pool_.RefPinned(job.block);
      state.table.push_back(job.block);
      ++counters_.pages_mapped;
    } else if (job.tail == Job::Tail::kCopy) {
      pool_.Unpin(job.block);
      counters_.copied_tokens += static_cast<uint64_t>(job.rows);
    }
    state.copy_source = kNoBlock;
    state.reserved = 0;
  } else if (job.tail == Job::Tail::kForget) {
    pool_.Forget(job.block);
  }
  const Taken* end = fresh + job.blocks;
  if (job.tail == Job::Tail::kFill || job.tail == Job::Tail::kReplace) {
    state.table.back() = (fresh++)->id;
    if (job.tail == Job::Tail::kReplace) {
      if (fence != nullptr) {
        replaced_.push_back(job.block);
        pool_.Hold(job.block);
      }
      pool_.Unref(job.block);
      ++counters_.pages_unmapped;
    }
  }
  for (; fresh != end; ++fresh) state.table.push_back(fresh->id);
}

}  // namespace vattention::paged
