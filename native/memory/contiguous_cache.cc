// The C ABI of the contiguous cache: kv_cache.h and contiguous_cache.h. Copies arguments, calls the
// operation, reports; nothing else.
#include "vattention/contiguous_cache.h"

#include <cstddef>
#include <cstring>
#include <memory>

#include "memory/contiguous_cache_impl.h"
#include "memory/devices.h"
#include "memory/fence.h"
#include "memory/limits.h"
#include "memory/sequences.h"
#include "memory/sharing.h"
#include "memory/stats.h"
#include "memory/step.h"
#include "memory/structure_check.h"

namespace vattention::memory {
namespace {

CacheCore* CoreOf(vattn_cache* cache) { return ContiguousCache::Of(cache)->core(); }

Status Missing(const char* what) {
  return Status::InvalidArgument("expected ", what, ", received NULL.");
}

Status CheckOpen(CacheCore* core) {
  Lock lock(core->mutex);
  return core->CheckOpen();
}

void RetainCache(vattn_cache* cache) { ContiguousCache::Of(cache)->Retain(); }

void ReleaseCache(vattn_cache* cache) {
  ContiguousCache* object = ContiguousCache::Of(cache);
  if (object->Release()) delete object;
}

vattn_status View(vattn_cache* cache, vattn_cache_view* view, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (view == nullptr) return Missing("a view to fill");
    ContiguousCache* object = ContiguousCache::Of(cache);
    if (Status status = CheckOpen(object->core()); !status.ok()) return status;
    const CacheConfig& config = object->core()->config;
    vattn_cache_view filled;
    std::memset(&filled, 0, sizeof(filled));
    filled.size = sizeof(filled);
    filled.kind = VATTN_CONTIGUOUS;
    filled.shape = config.shape;
    filled.tail_rows = static_cast<int32_t>(config.tail_rows);
    filled.finite_tail = 1;
    filled.key = object->tensors().key.data();
    filled.value = object->tensors().value.data();
    WriteSized(filled, view);
    return {};
  });
}

vattn_status ResolveRows(vattn_cache* cache, const vattn_sequence* sequences, int32_t count,
                         vattn_rows* rows, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (rows == nullptr) return Missing("rows to fill");
    vattn_rows local = ReadSized(rows);
    if (Status status = Resolve(CoreOf(cache), sequences, count, &local); !status.ok()) {
      return status;
    }
    WriteSized(local, rows);
    return {};
  });
}

vattn_status AllocateSequence(vattn_cache* cache, vattn_sequence* sequence, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (sequence == nullptr) return Missing("a place for the sequence");
    return Allocate(CoreOf(cache), sequence);
  });
}

vattn_status ForkSequence(vattn_cache* cache, vattn_sequence source, uint32_t length,
                          vattn_sequence* sequence, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (sequence == nullptr) return Missing("a place for the sequence");
    return Fork(CoreOf(cache), source, length, sequence);
  });
}

vattn_status StepSequences(vattn_cache* cache, const vattn_sequence* sequences,
                           const uint32_t* lengths, int32_t count, vattn_step_result* result,
                           vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (result == nullptr) return Missing("a result to fill");
    vattn_step_result filled;
    Status status = Step(CoreOf(cache), sequences, lengths, count, &filled);
    if (status.ok()) WriteSized(filled, result);
    return status;
  });
}

// Does what takes rows from sequences, and tells those who have resolved them, once it is done.
template <typename Operation>
vattn_status Taking(vattn_cache* cache, vattn_error* error, const Operation& operation) {
  const vattn_status status = Guard(error, operation);
  CoreOf(cache)->revision.fetch_add(1, std::memory_order_release);
  return status;
}

vattn_status TruncateSequence(vattn_cache* cache, vattn_sequence sequence, uint32_t length,
                              vattn_fence* after, vattn_error* error) {
  return Taking(cache, error, [&] { return Truncate(CoreOf(cache), sequence, length, after); });
}

vattn_status SlideSequence(vattn_cache* cache, vattn_sequence sequence, uint32_t first_token,
                           vattn_fence* after, vattn_error* error) {
  return Taking(cache, error, [&] { return Slide(CoreOf(cache), sequence, first_token, after); });
}

vattn_status FreeSequence(vattn_cache* cache, vattn_sequence sequence, vattn_fence* after,
                          vattn_error* error) {
  return Taking(cache, error, [&] { return Free(CoreOf(cache), sequence, after); });
}

vattn_status AttachStream(vattn_cache* cache, vattn_stream stream, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (Status status = CheckOpen(CoreOf(cache)); !status.ok()) return status;
    return CoreOf(cache)->streams.Attach(stream);
  });
}

// Also on a closed cache, so that owners can let go in any order.
vattn_status DetachStream(vattn_cache* cache, vattn_stream stream, vattn_error* error) {
  return Guard(error, [&] { return CoreOf(cache)->streams.Detach(stream); });
}

vattn_status WaitReady(vattn_cache* cache, vattn_stream stream, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (Status status = CheckOpen(CoreOf(cache)); !status.ok()) return status;
    const DriverStatus waited = CoreOf(cache)->port.driver()->MakeStreamWait(stream);
    return waited.ok() ? Status() : Status::OfDriver(waited, "making a stream wait for the cache");
  });
}

vattn_status RecordFence(vattn_cache* cache, vattn_stream stream, vattn_fence** fence,
                         vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (fence == nullptr) return Missing("a place for the fence");
    if (Status status = CheckOpen(CoreOf(cache)); !status.ok()) return status;
    FencePtr recorded;
    if (Status status = CoreOf(cache)->streams.Record(stream, &recorded); !status.ok()) {
      return status;
    }
    *fence = MakeFenceHandle(std::move(recorded));
    return {};
  });
}

vattn_status ReadStats(vattn_cache* cache, vattn_cache_stats* stats, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (stats == nullptr) return Missing("statistics to fill");
    vattn_cache_stats filled;
    // Whoever asks for the totals only gets them at no cost.
    const bool with_use = stats->size > offsetof(vattn_cache_stats, mapped_bytes);
    if (Status status = Stats(CoreOf(cache), with_use, &filled); !status.ok()) return status;
    WriteSized(filled, stats);
    return {};
  });
}

vattn_status SetCacheLimit(vattn_cache* cache, uint64_t bytes, vattn_error* error) {
  return Guard(error, [&] { return SetLimit(CoreOf(cache), bytes); });
}

uint64_t Revision(const vattn_cache* cache) {
  return CoreOf(const_cast<vattn_cache*>(cache))->revision.load(std::memory_order_acquire);
}

constexpr vattn_cache_api kApi = {
    sizeof(vattn_cache_api),
    VATTN_ABI_VERSION,
    "contiguous",
    RetainCache,
    ReleaseCache,
    View,
    ResolveRows,
    AllocateSequence,
    ForkSequence,
    StepSequences,
    TruncateSequence,
    SlideSequence,
    FreeSequence,
    AttachStream,
    DetachStream,
    WaitReady,
    RecordFence,
    FenceHandleDone,
    ReleaseFenceHandle,
    ReadStats,
    SetCacheLimit,
    Revision,
};

Status MapperOf(vattn_cache* cache, Mapper** mapper) {
  if (Status status = CheckOpen(CoreOf(cache)); !status.ok()) return status;
  *mapper = ContiguousCache::Of(cache)->mapper();  // nullptr: there is nothing to steer
  return {};
}

}  // namespace
}  // namespace vattention::memory

using namespace vattention;          // NOLINT: this file is the C side of these namespaces
using namespace vattention::memory;  // NOLINT

vattn_status vattn_contiguous_create(const vattn_contiguous_options* options, vattn_cache_ref* ref,
                                     vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (options == nullptr) return Missing("options");
    if (Status status = CheckPlace(ref, "vattn_cache_ref"); !status.ok()) return status;
    std::unique_ptr<ContiguousCache> cache;
    if (Status status = ContiguousCache::Create(ReadSized(options), &cache); !status.ok()) {
      return status;
    }
    vattn_cache_ref filled{sizeof(vattn_cache_ref), &kApi, cache->handle()};
    WriteSized(filled, ref);
    cache.release();  // the reference is the caller's
    return {};
  });
}

const vattn_cache_api* vattn_contiguous_api(void) { return &kApi; }

vattn_status vattn_contiguous_geometry(const vattn_contiguous_options* options,
                                       vattn_geometry* geometry, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (options == nullptr) return Missing("options");
    if (geometry == nullptr) return Missing("a geometry to fill");
    const vattn_contiguous_options local = ReadSized(options);
    DriverLimits limits;
    if (Status status = LimitsWithoutDevice(local.device_type, &limits); !status.ok()) {
      return status;
    }
    CacheConfig config;
    if (Status status = ResolveConfig(local, limits, &config); !status.ok()) return status;
    Layout layout;
    if (Status status = MakeLayout(config, limits.max_reservation, &layout); !status.ok()) {
      return status;
    }
    WriteSized(GeometryOf(config, layout), geometry);
    return {};
  });
}

vattn_status vattn_contiguous_close(vattn_cache* cache, vattn_error* error) {
  return Guard(error, [&] { return ContiguousCache::Of(cache)->Close(); });
}

vattn_status vattn_span_create(vattn_cache* cache, vattn_sequence sequence, uint32_t from,
                               uint32_t to, vattn_span* span, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (span == nullptr) return Missing("a place for the span");
    return CreateSpan(CoreOf(cache), sequence, from, to, /*exported=*/false, span);
  });
}

vattn_status vattn_span_release(vattn_cache* cache, vattn_span span, uint64_t* freed_bytes,
                                vattn_error* error) {
  return Guard(error, [&] { return ReleaseSpan(CoreOf(cache), span, freed_bytes); });
}

vattn_status vattn_allocate_shared(vattn_cache* cache, const vattn_span* spans, int32_t count,
                                   uint32_t length, vattn_sequence* sequence, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (sequence == nullptr) return Missing("a place for the sequence");
    return AllocateShared(CoreOf(cache), spans, count, length, sequence);
  });
}

vattn_status vattn_trim(vattn_cache* cache, uint64_t keep_bytes, uint64_t* released_bytes,
                        vattn_error* error) {
  return Guard(error, [&] { return Trim(CoreOf(cache), keep_bytes, released_bytes); });
}

vattn_status vattn_mapper_pause(vattn_cache* cache, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    Mapper* mapper = nullptr;
    Status status = MapperOf(cache, &mapper);
    if (status.ok() && mapper != nullptr) mapper->Pause();
    return status;
  });
}

vattn_status vattn_mapper_resume(vattn_cache* cache, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    Mapper* mapper = nullptr;
    Status status = MapperOf(cache, &mapper);
    if (status.ok() && mapper != nullptr) mapper->Resume();
    return status;
  });
}

vattn_status vattn_mapper_drain(vattn_cache* cache, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    Mapper* mapper = nullptr;
    Status status = MapperOf(cache, &mapper);
    return status.ok() && mapper != nullptr ? mapper->Drain() : status;
  });
}

int32_t vattn_trace_read(vattn_cache* cache, vattn_event* events, int32_t capacity) {
  return CoreOf(cache)->trace.Read(events, capacity);
}

vattn_status vattn_events_listen(vattn_cache* cache, vattn_event_callback callback, void* context,
                                 vattn_error* error) {
  return Guard(error, [&]() -> Status {
    CoreOf(cache)->trace.Listen(callback, context);
    return {};
  });
}

vattn_status vattn_faults_set(vattn_cache* cache, const vattn_fault_plan* faults, uint64_t* calls,
                              vattn_error* error) {
  return Guard(error, [&]() -> Status {
    FaultyDriver* faulty = ContiguousCache::Of(cache)->faulty();
    if (faulty == nullptr) {
      return Status::Error(VATTN_UNSUPPORTED,
                           "the cache was made without `faults`, so its driver never fails on "
                           "purpose; pass a plan when creating it.");
    }
    if (calls != nullptr) *calls = faulty->calls();
    if (faults != nullptr) faulty->Arm(ReadSized(faults));
    return {};
  });
}

vattn_status vattn_contiguous_check(vattn_cache* cache, vattn_error* error) {
  return Guard(error, [&] { return CheckStructure(CoreOf(cache)); });
}
