#include "memory/sequences.h"

#include <algorithm>
#include <utility>

namespace vattention::memory {
namespace {

// What pages wait for before they leave: the caller's fence, else every attached stream.
Status FenceFor(CacheCore* core, const vattn_fence* after, FencePtr* fence) {
  if (after == nullptr) return core->streams.RecordAll(fence);
  *fence = FenceOf(after);
  if (Passed(*fence)) fence->reset();
  return {};
}

// A large page that the tokens fill in part only is cut, where that costs nothing: what is behind
// can then go elsewhere.
void CutBoundary(CacheCore* core, Slot* slot, uint32_t length) {
  if (!core->port.limits().splittable) return;
  for (uint32_t t = 0; t < core->tensors(); ++t) {
    const uint64_t bytes = length * core->tensor(t).row_bytes;
    const size_t i = slot->maps[t].FirstAfter(bytes);
    const auto& entries = slot->maps[t].entries();
    if (i == entries.size() || entries[i].offset >= bytes) continue;
    if (entries[i].bytes > core->config.smallest() &&
        core->pool.page(entries[i].page).HasOneMapping()) {
      core->SplitEntry(slot, t, i);
    }
  }
}

// Kernels that read the tail must not find there what was forgotten: the next step zeroes it.
void ForgetTail(CacheCore* core, Slot* slot, uint32_t length) {
  slot->clean_rows = std::min<uint64_t>(slot->clean_rows, length);
  for (uint32_t t = 0; t < core->tensors(); ++t) {
    const TensorMap& map = slot->maps[t];
    const uint64_t bytes = length * core->tensor(t).row_bytes;
    for (size_t i = map.FirstAfter(bytes); i < map.entries().size(); ++i) {
      core->MarkWritten(*slot, t, map.entries()[i]);
    }
  }
}

// A reserved sequence shows less than was reserved.
void TruncateShare(CacheCore* core, Sequence* sequence, uint32_t length) {
  Share* share = sequence->share.get();
  if (length == 0) {
    core->DropShare(sequence);
    return;
  }
  share->length = length;
  std::erase_if(share->segments, [&](Share::Segment& segment) {
    const uint64_t bytes = length * core->tensor(segment.tensor).row_bytes;
    if (segment.offset >= bytes) {
      core->pool.Drop(segment.page, &Page::pins);
      return true;
    }
    segment.valid = std::min(segment.valid, bytes - segment.offset);
    segment.alias = segment.alias && segment.valid == core->pool.page(segment.page).bytes;
    return false;
  });
}

void SlideShare(CacheCore* core, Sequence* sequence, uint32_t first_token) {
  Share* share = sequence->share.get();
  share->first_kept = first_token;
  Sequence shown;
  shown.first_kept = first_token;
  const uint64_t front = core->FrontRow(shown);
  std::erase_if(share->segments, [&](const Share::Segment& segment) {
    const uint64_t end = segment.offset + segment.valid;
    if (end > front * core->tensor(segment.tensor).row_bytes) return false;
    core->pool.Drop(segment.page, &Page::pins);
    return true;
  });
}

}  // namespace

Status NewSequence(CacheCore* core, vattn_sequence* handle, uint32_t* index) {
  const auto made = core->handles.Allocate();
  if (!made) {
    return Status::Error(VATTN_NO_SLOT, "all ", core->slots.size(),
                         " sequences are live; free one or raise max_sequences.");
  }
  *handle = *made;
  *index = core->handles.Find(*made);
  Sequence& sequence = core->sequences[*index];
  const bool queued = sequence.queued;
  sequence = Sequence();
  sequence.queued = queued;
  return {};
}

Status Allocate(CacheCore* core, vattn_sequence* handle) {
  Lock lock(core->mutex);
  if (Status status = core->CheckOpen(); !status.ok()) return status;
  uint32_t index;
  return NewSequence(core, handle, &index);
}

Status Free(CacheCore* core, vattn_sequence handle, const vattn_fence* after) {
  Lock lock(core->mutex);
  uint32_t index;
  if (Status status = core->FindSettled(&lock, handle, &index); !status.ok()) return status;
  Sequence* sequence = &core->sequences[index];
  if (sequence->slot != kNone) {
    const int64_t start = core->trace.Now();
    FencePtr fence;
    if (Status status = FenceFor(core, after, &fence); !status.ok()) return status;
    Slot* slot = &core->slots[sequence->slot];
    core->Park(sequence->slot, Fence::Both(std::move(slot->fence), std::move(fence)));
    core->trace.Emit(VATTN_EVENT_PARK, EventThread::kCaller, start,
                     static_cast<int32_t>(sequence->slot), 0, sequence->backed);
    sequence->slot = kNone;
  }
  core->DropShare(sequence);
  sequence->backed = 0;
  core->handles.Free(index);
  core->changed.notify_all();
  core->WakeMapper();
  return {};
}

Status Truncate(CacheCore* core, vattn_sequence handle, uint32_t length, const vattn_fence* after) {
  Lock lock(core->mutex);
  uint32_t index;
  if (Status status = core->FindSettled(&lock, handle, &index); !status.ok()) return status;
  Sequence* sequence = &core->sequences[index];
  const uint32_t first =
      sequence->share != nullptr ? sequence->share->first_kept : sequence->first_kept;
  if (length > sequence->Length() || length < first) {
    return Status::InvalidArgument("expected a length from ", first, " to ", sequence->Length(),
                                   " for sequence ", handle, ", received ", length, ".");
  }
  if (sequence->share != nullptr) {
    TruncateShare(core, sequence, length);
    return {};
  }
  if (length == sequence->backed) return {};
  FencePtr fence;
  if (Status status = FenceFor(core, after, &fence); !status.ok()) return status;
  Slot* slot = &core->slots[sequence->slot];
  slot->fence = Fence::Both(std::move(slot->fence), std::move(fence));
  slot->written_rows = std::max<uint64_t>(slot->written_rows, sequence->backed);
  sequence->backed = length;
  if (core->config.tail_rows > 0) ForgetTail(core, slot, length);
  CutBoundary(core, slot, length);
  core->UpdateReady(sequence);
  return {};
}

Status Slide(CacheCore* core, vattn_sequence handle, uint32_t first_token,
             const vattn_fence* after) {
  Lock lock(core->mutex);
  uint32_t index;
  if (Status status = core->FindSettled(&lock, handle, &index); !status.ok()) return status;
  Sequence* sequence = &core->sequences[index];
  if (first_token > sequence->Length()) {
    return Status::InvalidArgument("expected a first token up to ", sequence->Length(),
                                   " for sequence ", handle, ", received ", first_token, ".");
  }
  if (sequence->share != nullptr) {
    if (first_token > sequence->share->first_kept) SlideShare(core, sequence, first_token);
    return {};
  }
  if (first_token <= sequence->first_kept) return {};
  const int64_t start = core->trace.Now();
  FencePtr fence;
  if (Status status = FenceFor(core, after, &fence); !status.ok()) return status;
  sequence->first_kept = first_token;
  const uint64_t front = core->FrontRow(*sequence);
  Slot* slot = &core->slots[sequence->slot];
  uint64_t bytes = 0;
  int64_t pages = 0;
  for (uint32_t t = 0; t < core->tensors(); ++t) {
    const auto& entries = slot->maps[t].entries();
    const uint64_t end = front * core->tensor(t).row_bytes;
    size_t leaving = 0;
    while (leaving < entries.size() && entries[leaving].end() <= end) ++leaving;
    if (leaving == 0) continue;
    Condemned range;
    range.slot = sequence->slot;
    range.tensor = t;
    range.fence = fence;
    for (size_t i = 0; i < leaving; ++i) {
      core->MarkWritten(*slot, t, entries[i]);
      core->pool.Move(entries[i].page, &Page::live, &Page::condemned);
      range.entries.push_back(entries[i]);
      bytes += entries[i].bytes;
    }
    pages += static_cast<int64_t>(leaving);
    // Nothing is unmapped yet, so the budget is charged as before.
    const uint64_t charged = core->live_mappings;
    core->Erase(slot, t, 0, leaving);
    range.mappings = charged - core->live_mappings;
    core->live_mappings = charged;
    core->condemned.push_back(std::move(range));
    ++slot->condemned;
  }
  if (pages == 0) return {};
  core->trace.Emit(VATTN_EVENT_CONDEMN, EventThread::kCaller, start,
                   static_cast<int32_t>(sequence->slot), bytes, pages);
  core->WakeMapper();
  return {};
}

Status Resolve(CacheCore* core, const vattn_sequence* handles, int32_t count, vattn_rows* rows) {
  if (count < 0 || (count > 0 && handles == nullptr)) {
    return Status::InvalidArgument("expected an array of `count` sequences, received ", count,
                                   " with no array.");
  }
  Lock lock(core->mutex);
  if (Status status = core->CheckOpen(); !status.ok()) return status;
  for (int32_t i = 0; i < count; ++i) {
    // Asked by every layer of a pass: no Status unless it says something.
    uint32_t index = core->handles.Find(handles[i]);
    if (index == SequenceHandles::kNoIndex) return core->FindSequence(handles[i], &index);
    const Sequence& sequence = core->sequences[index];
    if (rows->slot != nullptr) rows->slot[i] = sequence.slot == kNone ? 0 : sequence.slot;
    if (rows->backed_length != nullptr) rows->backed_length[i] = sequence.backed;
    if (rows->first_kept != nullptr) rows->first_kept[i] = sequence.first_kept;
  }
  rows->widest = 0;
  return {};
}

}  // namespace vattention::memory
