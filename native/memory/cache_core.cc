#include "memory/cache_core.h"

#include <algorithm>
#include <utility>

namespace vattention::memory {

struct CacheCore::Recharge {
  Recharge(CacheCore* owner, const TensorMap& changing) : core_(owner), map_(changing) {
    core_->live_mappings -= map_.Mappings(core_->port.limits().run_mapping);
  }
  ~Recharge() { core_->live_mappings += map_.Mappings(core_->port.limits().run_mapping); }
  CacheCore* core_;
  const TensorMap& map_;
};

CacheCore::CacheCore(CacheConfig resolved, Layout made, std::unique_ptr<Driver> device)
    : config(std::move(resolved)),
      layout(std::move(made)),
      port(std::move(device)),
      streams([this](vattn_stream stream, std::unique_ptr<DriverEvent>* event) {
        return port.driver()->Record(stream, event);
      }),
      trace(config.trace_events),
      pool(config.page_classes, port.limits().zero_filled),
      slots(static_cast<size_t>(config.shape.max_sequences)),
      handles(static_cast<uint32_t>(config.shape.max_sequences)),
      sequences(static_cast<size_t>(config.shape.max_sequences)),
      limit_bytes(config.limit_bytes) {
  for (Slot& slot : slots) slot.maps.resize(layout.tensors.size());
}

Status CacheCore::CheckOpen() const {
  if (!closed) return {};
  return Status::Error(VATTN_DISPOSED, "the cache was closed; make a new one.");
}

Status CacheCore::FindSequence(vattn_sequence handle, uint32_t* index) const {
  *index = handles.Find(handle);
  if (*index != SequenceHandles::kNoIndex) return {};
  return Status::Error(VATTN_STALE_SEQUENCE, "expected a live sequence of this cache, received ",
                       handle, ", which was freed or belongs to another cache.");
}

uint64_t CacheCore::WrittenRows(const Slot& slot) const {
  if (!slot.live()) return slot.written_rows;
  return std::max<uint64_t>(slot.written_rows, sequences[slot.sequence].backed);
}

void CacheCore::Insert(Slot* slot, uint32_t tensor_index, const MapEntry& entry) {
  Recharge recharge(this, slot->maps[tensor_index]);
  slot->maps[tensor_index].Insert(entry);
}

void CacheCore::Erase(Slot* slot, uint32_t tensor_index, size_t first, size_t last) {
  Recharge recharge(this, slot->maps[tensor_index]);
  slot->maps[tensor_index].Erase(first, last);
}

void CacheCore::Replace(Slot* slot, uint32_t tensor_index, size_t i, PageId page) {
  Recharge recharge(this, slot->maps[tensor_index]);
  slot->maps[tensor_index].Replace(i, pool.page(page).handle, page);
}

void CacheCore::SplitEntry(Slot* slot, uint32_t tensor_index, size_t i) {
  const MapEntry whole = slot->maps[tensor_index].entries()[i];
  VATTN_CHECK(port.limits().splittable && pool.page(whole.page).HasOneMapping());
  const uint64_t part = config.smallest();
  const DriverStatus status = port.driver()->Split(whole.handle, whole.bytes, part);
  VATTN_CHECK(status.ok());
  std::vector<PageId> ids = {whole.page};
  pool.Split(whole.page, part, &ids);
  Recharge recharge(this, slot->maps[tensor_index]);
  slot->maps[tensor_index].Erase(i, i + 1);
  for (size_t n = 0; n < ids.size(); ++n) {
    slot->maps[tensor_index].Insert(
        {whole.offset + n * part, whole.handle + n * part, static_cast<uint32_t>(part), ids[n]});
  }
}

void CacheCore::MarkWritten(const Slot& slot, uint32_t tensor_index, const MapEntry& entry) {
  const uint64_t written = WrittenRows(slot) * tensor(tensor_index).row_bytes;
  if (written > entry.offset) {
    pool.MarkDirty(entry.page, std::min<uint64_t>(written - entry.offset, entry.bytes));
  }
}

void CacheCore::DropReference(const Slot& slot, uint32_t tensor_index, const MapEntry& entry) {
  if (slot.live()) {
    MarkWritten(slot, tensor_index, entry);
    pool.Drop(entry.page, &Page::live);
  } else {
    if (slot.fenced) pool.DropFenced(entry.page);
    pool.Drop(entry.page, &Page::parked);
  }
}

void CacheCore::Park(uint32_t slot_index, FencePtr fence) {
  Slot& slot = slots[slot_index];
  slot.fenced = !Passed(fence);
  for (uint32_t t = 0; t < tensors(); ++t) {
    for (const MapEntry& entry : slot.maps[t].entries()) {
      MarkWritten(slot, t, entry);
      pool.Move(entry.page, &Page::live, &Page::parked);
      if (slot.fenced) pool.AddFenced(entry.page);
    }
  }
  slot.fence = slot.fenced ? std::move(fence) : nullptr;
  slot.sequence = kNone;
  slot.parked_at = ++parking_clock;
  slot.clean_rows = 0;
  slot.written_rows = 0;
  slot.maybe_dirty = true;
}

void CacheCore::SettleFences() {
  for (Slot& slot : slots) {
    if (slot.fence == nullptr || !slot.fence->Passed()) continue;
    slot.fence = nullptr;
    if (!slot.fenced) continue;
    slot.fenced = false;
    for (const TensorMap& map : slot.maps) {
      for (const MapEntry& entry : map.entries()) pool.DropFenced(entry.page);
    }
  }
}

void CacheCore::UpdateReady(Sequence* sequence) {
  const Slot& slot = slots[sequence->slot];
  // Looking further than this is left to the step that gets there; it finds nothing to do.
  constexpr uint64_t kHorizon = 1024;
  const uint64_t length = std::max(sequence->backed, sequence->wanted);
  const uint64_t further = std::max<uint64_t>(kHorizon, 2 * uint64_t{config.ahead_tokens});
  const uint64_t horizon = std::min<uint64_t>(length + further, max_length()) + config.tail_rows;
  uint64_t ready_rows = horizon;
  for (uint32_t t = 0; t < tensors(); ++t) {
    const uint64_t row = tensor(t).row_bytes;
    const uint64_t backed = sequence->backed * row;
    const uint64_t clean = slot.clean_rows * row;
    const uint64_t wanted = ready_rows * row;
    const auto& entries = slot.maps[t].entries();
    uint64_t at = backed;
    for (size_t i = slot.maps[t].FirstAfter(backed); i < entries.size() && at < wanted; ++i) {
      const MapEntry& entry = entries[i];
      const Page& page = pool.page(entry.page);
      if (entry.offset > at) break;
      if (!page.WritableFrom(at - entry.offset, 1)) break;
      const uint64_t dirty_end = entry.offset + page.dirty_end;
      if (config.zero_recycled && dirty_end > std::max(clean, at)) {
        at = std::max(clean, at);
        break;
      }
      at = entry.end();
    }
    ready_rows = std::min(ready_rows, at / row);
  }
  const uint64_t ready = ready_rows > config.tail_rows ? ready_rows - config.tail_rows : 0;
  // Staying as long as it is needs nothing, even where the next token would need a private page.
  sequence->ready =
      std::max(sequence->backed, static_cast<uint32_t>(std::min<uint64_t>(ready, max_length())));
  // Half of what is mapped ahead is left when the mapper is called: its lead time.
  const uint32_t lead = config.ahead_tokens / 2;
  sequence->ahead_at = !has_mapper || sequence->ready >= max_length() ? Sequence::kNever
                       : sequence->ready > lead                       ? sequence->ready - lead
                                                                      : 0;
}

void CacheCore::QueueAhead(uint32_t sequence_index) {
  Sequence& sequence = sequences[sequence_index];
  if (sequence.queued) return;
  sequence.queued = true;
  ahead_queue.push_back(sequence_index);
  WakeMapper();
}

void CacheCore::WakeMapper() {
  if (!mapper_asleep) return;
  mapper_asleep = false;
  wake.notify_one();
}

Status CacheCore::FindSettled(Lock* lock, vattn_sequence handle, uint32_t* index) {
  while (true) {
    if (Status status = CheckOpen(); !status.ok()) return status;
    if (Status status = FindSequence(handle, index); !status.ok()) return status;
    const Sequence& sequence = sequences[*index];
    const bool slot_busy = sequence.slot != kNone && slots[sequence.slot].busy != Busy::kNo;
    if (!sequence.stepping && !slot_busy) return {};
    changed.wait(*lock);
  }
}

void CacheCore::DropShare(Sequence* sequence) {
  if (sequence->share == nullptr) return;
  for (const Share::Segment& segment : sequence->share->segments) {
    pool.Drop(segment.page, &Page::pins);
  }
  sequence->share.reset();
}

}  // namespace vattention::memory
