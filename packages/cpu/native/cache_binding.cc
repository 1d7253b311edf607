#include "cache_binding.h"

#include <atomic>
#include <cstdio>

namespace vattention::cpu_addon {

namespace {

vattn_status Changed(vattn_error* error, size_t index) {
  error->status = VATTN_NOT_BACKED;
  std::snprintf(error->message, sizeof(error->message),
                "Sequence number %zu of the batch was moved, truncated or slid after prepare. "
                "Prepare the batch again.",
                index);
  return VATTN_NOT_BACKED;
}

}  // namespace

CacheBinding::CacheBinding() { timeline_.size = sizeof(timeline_); }

vattn_status CacheBinding::Resolve(const vattn_cache_ref& ref, std::span<const uint32_t> sequences,
                                   vattn_cache_view* view, vattn_batch* batch, vattn_error* error) {
  *view = {};
  view->size = sizeof(*view);
  if (const vattn_status status = ref.api->view(ref.cache, view, error)) return status;
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
  if (view->kind == VATTN_PAGED) {
    rows.block_table_stride = view->max_blocks;
    table_.resize(count * static_cast<size_t>(view->max_blocks));
    rows.block_table = table_.data();
  }
  if (const vattn_status status =
          ref.api->resolve(ref.cache, resolving_.data(), rows.count, &rows, error)) {
    return status;
  }
  batch->count = rows.count;
  batch->slot = rows.slot;
  batch->backed_length = rows.backed_length;
  batch->first_kept = rows.first_kept;
  batch->block_table = rows.block_table;
  batch->block_table_stride = rows.block_table_stride;
  return VATTN_OK;
}

vattn_status CacheBinding::Attach(const vattn_cache_ref& ref, uint64_t handle, vattn_error* error) {
  return handle == 0 ? VATTN_OK : ref.api->attach_stream(ref.cache, Stream(handle), error);
}

void CacheBinding::Detach(uint64_t handle) {
  if (handle != 0) ref_.api->detach_stream(ref_.cache, Stream(handle), nullptr);
}

vattn_status CacheBinding::Keep(const vattn_cache_ref& ref, std::span<const uint32_t> kv_length,
                                uint64_t stream, vattn_error* error) {
  const bool same_cache = ref_.api == ref.api && ref_.cache == ref.cache;
  if (!same_cache || stream != stream_) {
    if (const vattn_status status = Attach(ref, stream, error)) return status;
    if (same_cache) {
      Detach(stream_);
    } else {
      ref.api->retain(ref.cache);
      Release();
      ref_ = ref;
    }
    stream_ = stream;
  }
  sequences_.swap(resolving_);
  kept_slots_.swap(slots_);
  kept_first_.swap(first_kept_);
  kv_lengths_.assign(kv_length.begin(), kv_length.end());
  return VATTN_OK;
}

vattn_status CacheBinding::Recheck(vattn_error* error) {
  if (ref_.api == nullptr) return VATTN_OK;
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
  return VATTN_OK;
}

vattn_status CacheBinding::BeginWork(vattn_error* error) {
  if (ref_.api == nullptr) return VATTN_OK;
  if (!working_) {
    const auto handle = reinterpret_cast<uint64_t>(&timeline_);
    if (const vattn_status status = Attach(ref_, handle, error)) return status;
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
  if (working_) Detach(reinterpret_cast<uint64_t>(&timeline_));
  ref_.api->release(ref_.cache);
  ref_ = {};
  stream_ = 0;
  working_ = false;
}

}  // namespace vattention::cpu_addon
