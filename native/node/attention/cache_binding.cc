#include "node/attention/cache_binding.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>

namespace vattention::node {

namespace {

vattn_status Changed(vattn_error* error, size_t index) {
  error->status = VATTN_NOT_BACKED;
  std::snprintf(error->message, sizeof(error->message),
                "Sequence number %zu of the batch was moved, truncated or slid after prepare. "
                "Prepare the batch again.",
                index);
  return VATTN_NOT_BACKED;
}

// Work of the calling thread is done when its calls return. A stream 0 of CUDA is one like any
// other.
bool IsCallingThread(vattn_stream stream) {
  return stream.device_type == VATTN_DEVICE_CPU && stream.handle == 0;
}

bool TellsRevision(const vattn_cache_ref& ref) {
  return ref.api->size > offsetof(vattn_cache_api, revision) && ref.api->revision != nullptr;
}

// Of a cache that does not tell it, 0.
uint64_t RevisionOf(const vattn_cache_ref& ref) {
  return TellsRevision(ref) ? ref.api->revision(ref.cache) : 0;
}

bool SameStream(vattn_stream a, vattn_stream b) {
  return a.device_type == b.device_type && a.device_index == b.device_index && a.handle == b.handle;
}

}  // namespace

CacheBinding::CacheBinding() { timeline_.size = sizeof(timeline_); }

vattn_status CacheBinding::Resolve(const vattn_cache_ref& ref, std::span<const uint32_t> sequences,
                                   vattn_cache_view* view, vattn_batch* batch, vattn_error* error) {
  *view = {};
  view->size = sizeof(*view);
  if (const vattn_status status = ref.api->view(ref.cache, view, error)) return status;
  // Before the look: what changes meanwhile is found by the next Recheck.
  resolving_revision_ = RevisionOf(ref);
  const size_t count = sequences.size();
  resolving_.assign(sequences.begin(), sequences.end());
  slots_.resize(count);
  backed_.resize(count);
  first_kept_.resize(count);
  vattn_rows rows{};
  rows.size = sizeof(rows);
  rows.count = static_cast<int32_t>(count);
  rows.slot = slots_.data();
  rows.backed_length = backed_.data();
  rows.first_kept = first_kept_.data();
  const auto resolve = [&] {
    return ref.api->resolve(ref.cache, resolving_.data(), rows.count, &rows, error);
  };
  if (const vattn_status status = resolve()) return status;
  if (view->kind == VATTN_PAGED) {
    // No wider than this batch needs, since the cache fills each row to its end. A step on another
    // thread may lengthen one in between, so that the rows are too narrow: once more, then.
    vattn_status status = VATTN_OK;
    for (int attempt = 0; attempt < 3; ++attempt) {
      rows.block_table_stride = std::max(rows.widest, 1);
      table_.resize(count * static_cast<size_t>(rows.block_table_stride));
      rows.block_table = table_.data();
      status = resolve();
      if (status != VATTN_INVALID_ARGUMENT) break;
      rows.block_table = nullptr;
      if (const vattn_status again = resolve()) return again;
    }
    if (status != VATTN_OK) return status;
  }
  batch->count = rows.count;
  batch->slot = rows.slot;
  batch->backed_length = rows.backed_length;
  batch->first_kept = rows.first_kept;
  batch->block_table = rows.block_table;
  batch->block_table_stride = rows.block_table_stride;
  return VATTN_OK;
}

vattn_status CacheBinding::Hold(const vattn_cache_ref& ref, vattn_stream stream,
                                vattn_error* error) {
  const bool same_cache = ref_.api == ref.api && ref_.cache == ref.cache;
  if (!same_cache || !SameStream(stream, stream_)) {
    if (!IsCallingThread(stream)) {
      if (const vattn_status status = ref.api->attach_stream(ref.cache, stream, error)) {
        return status;
      }
    }
    if (same_cache) {
      Detach(stream_);
    } else {
      ref.api->retain(ref.cache);
      Release();
      ref_ = ref;
    }
    stream_ = stream;
  }
  // On the CPU a step has zeroed and copied before it returns.
  if (stream.device_type == VATTN_DEVICE_CPU) return VATTN_OK;
  return ref.api->wait_ready(ref.cache, stream, error);
}

void CacheBinding::Detach(vattn_stream stream) {
  if (!IsCallingThread(stream)) ref_.api->detach_stream(ref_.cache, stream, nullptr);
}

void CacheBinding::Keep(std::span<const uint32_t> kv_length) {
  kept_revision_ = resolving_revision_;
  sequences_.swap(resolving_);
  kept_slots_.swap(slots_);
  kept_first_.swap(first_kept_);
  kv_lengths_.assign(kv_length.begin(), kv_length.end());
}

vattn_status CacheBinding::Recheck(vattn_error* error) {
  if (ref_.api == nullptr) return VATTN_OK;
  const uint64_t revision = RevisionOf(ref_);
  if (TellsRevision(ref_) && revision == kept_revision_) return VATTN_OK;
  const size_t count = sequences_.size();
  slots_.resize(count);
  backed_.resize(count);
  first_kept_.resize(count);
  vattn_rows rows{};
  rows.size = sizeof(rows);
  rows.count = static_cast<int32_t>(count);
  rows.slot = slots_.data();
  rows.backed_length = backed_.data();
  rows.first_kept = first_kept_.data();
  if (const vattn_status status =
          ref_.api->resolve(ref_.cache, sequences_.data(), rows.count, &rows, error)) {
    return status;
  }
  for (size_t i = 0; i < count; ++i) {
    if (slots_[i] != kept_slots_[i] || backed_[i] < kv_lengths_[i] ||
        first_kept_[i] != kept_first_[i]) {
      return Changed(error, i);
    }
  }
  kept_revision_ = revision;
  return VATTN_OK;
}

vattn_status CacheBinding::BeginWork(vattn_error* error) {
  if (ref_.api == nullptr) return VATTN_OK;
  if (!working_) {
    if (const vattn_status status = ref_.api->attach_stream(ref_.cache, Timeline(), error)) {
      return status;
    }
    working_ = true;
  }
  __atomic_add_fetch(&timeline_.submitted, 1, __ATOMIC_ACQ_REL);
  return VATTN_OK;
}

void CacheBinding::EndWork() {
  // Caught up: one piece of work at a time.
  __atomic_store_n(&timeline_.completed, __atomic_load_n(&timeline_.submitted, __ATOMIC_ACQUIRE),
                   __ATOMIC_RELEASE);
}

void CacheBinding::Release() {
  if (ref_.api == nullptr) return;
  Detach(stream_);
  if (working_) Detach(Timeline());
  ref_.api->release(ref_.cache);
  ref_ = {};
  stream_ = {};
  working_ = false;
}

}  // namespace vattention::node
