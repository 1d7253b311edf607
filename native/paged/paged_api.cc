// The C ABI of the paged cache: vattn_cache_api and paged_cache.h over PagedCache. Nothing but
// conversion and the boundary that no exception crosses.
#include <memory>

#include "memory/devices.h"
#include "memory/faulty_driver.h"
#include "memory/status.h"
#include "paged/paged_cache.h"
#include "vattention/paged_cache.h"

namespace {

using vattention::CheckPlace;
using vattention::Driver;
using vattention::DriverLimits;
using vattention::FaultyDriver;
using vattention::FencePtr;
using vattention::Guard;
using vattention::ReadSized;
using vattention::Status;
using vattention::WriteSized;
using vattention::paged::InPages;
using vattention::paged::PagedCache;
using vattention::paged::PoolGeometry;

PagedCache* Of(vattn_cache* cache) { return reinterpret_cast<PagedCache*>(cache); }

Status MakeDriver(const vattn_paged_options& options, std::unique_ptr<Driver>* driver) {
  Status status = vattention::MakeDriver(options.device_type, options.device_index,
                                         options.cgroup_root, driver);
  if (status.ok() && options.faults != nullptr) {
    *driver = std::make_unique<FaultyDriver>(std::move(*driver), ReadSized(options.faults));
  }
  return status;
}

Status CheckOptions(const vattn_paged_options& options, PoolGeometry* geometry) {
  vattn_status code;
  const std::string problem = vattention::paged::ComputeGeometry(options, geometry, &code);
  return code == VATTN_OK ? Status{} : Status::Error(code, problem);
}

void Retain(vattn_cache* cache) { Of(cache)->Retain(); }
void Release(vattn_cache* cache) { Of(cache)->Release(); }

vattn_status View(vattn_cache* cache, vattn_cache_view* view, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->View(view); });
}

vattn_status Resolve(vattn_cache* cache, const vattn_sequence* sequences, int32_t count,
                     vattn_rows* rows, vattn_error* error) {
  return Guard(error, [&] {
    vattn_rows wanted = ReadSized(rows);
    const Status status = Of(cache)->Resolve({sequences, static_cast<size_t>(count)}, &wanted);
    wanted.count = count;
    if (status.ok()) WriteSized(wanted, rows);
    return status;
  });
}

vattn_status Allocate(vattn_cache* cache, vattn_sequence* sequence, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->Allocate(sequence); });
}

vattn_status Fork(vattn_cache* cache, vattn_sequence source, uint32_t length,
                  vattn_sequence* sequence, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->Fork(source, length, sequence); });
}

vattn_status Step(vattn_cache* cache, const vattn_sequence* sequences, const uint32_t* lengths,
                  int32_t count, vattn_step_result* result, vattn_error* error) {
  return Guard(error, [&] {
    return Of(cache)->Step({sequences, static_cast<size_t>(count)}, lengths, result);
  });
}

// Does what takes rows from sequences, and tells those who have resolved them, once it is done.
template <typename Operation>
vattn_status Taking(vattn_cache* cache, vattn_error* error, const Operation& operation) {
  const vattn_status status = Guard(error, operation);
  Of(cache)->BumpRevision();
  return status;
}

uint64_t Revision(const vattn_cache* cache) {
  return Of(const_cast<vattn_cache*>(cache))->revision();
}

vattn_status Truncate(vattn_cache* cache, vattn_sequence sequence, uint32_t length,
                      vattn_fence* after, vattn_error* error) {
  return Taking(cache, error, [&] { return Of(cache)->Truncate(sequence, length, after); });
}

vattn_status Slide(vattn_cache* cache, vattn_sequence sequence, uint32_t first_token,
                   vattn_fence* after, vattn_error* error) {
  return Taking(cache, error, [&] { return Of(cache)->Slide(sequence, first_token, after); });
}

vattn_status Free(vattn_cache* cache, vattn_sequence sequence, vattn_fence* after,
                  vattn_error* error) {
  return Taking(cache, error, [&] { return Of(cache)->Free(sequence, after); });
}

vattn_status AttachStream(vattn_cache* cache, vattn_stream stream, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->AttachStream(stream); });
}

vattn_status DetachStream(vattn_cache* cache, vattn_stream stream, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->DetachStream(stream); });
}

vattn_status WaitReady(vattn_cache* cache, vattn_stream stream, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->WaitReady(stream); });
}

vattn_status RecordFence(vattn_cache* cache, vattn_stream stream, vattn_fence** fence,
                         vattn_error* error) {
  return Guard(error, [&] {
    FencePtr point;
    const Status status = Of(cache)->RecordFence(stream, &point);
    if (status.ok()) *fence = vattention::MakeFenceHandle(std::move(point));
    return status;
  });
}

vattn_status Stats(vattn_cache* cache, vattn_cache_stats* stats, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->Stats(stats); });
}

vattn_status SetLimit(vattn_cache* cache, uint64_t bytes, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->SetLimit(bytes); });
}

constexpr vattn_cache_api kApi = {
    .size = sizeof(vattn_cache_api),
    .abi_version = VATTN_ABI_VERSION,
    .name = "paged",
    .retain = Retain,
    .release = Release,
    .view = View,
    .resolve = Resolve,
    .allocate = Allocate,
    .fork = Fork,
    .step = Step,
    .truncate = Truncate,
    .slide = Slide,
    .free = Free,
    .attach_stream = AttachStream,
    .detach_stream = DetachStream,
    .wait_ready = WaitReady,
    .record_fence = RecordFence,
    .fence_done = vattention::FenceHandleDone,
    .fence_release = vattention::ReleaseFenceHandle,
    .stats = Stats,
    .set_limit = SetLimit,
    .revision = Revision,
};

}  // namespace

extern "C" {

const vattn_cache_api* vattn_paged_api(void) { return &kApi; }

vattn_status vattn_paged_create(const vattn_paged_options* options, vattn_cache_ref* ref,
                                vattn_error* error) {
  return Guard(error, [&] {
    if (Status status = CheckPlace(ref, "vattn_cache_ref"); !status.ok()) return status;
    const vattn_paged_options wanted = ReadSized(options);
    PoolGeometry geometry;
    if (Status status = CheckOptions(wanted, &geometry); !status.ok()) return status;
    std::unique_ptr<Driver> driver;
    if (Status status = MakeDriver(wanted, &driver); !status.ok()) return status;
    std::unique_ptr<PagedCache> cache;
    if (Status status = PagedCache::Create(wanted, std::move(driver), &cache); !status.ok()) {
      return status;
    }
    const vattn_cache_ref made = {.size = sizeof(made),
                                  .api = &kApi,
                                  .cache = reinterpret_cast<vattn_cache*>(cache.release())};
    WriteSized(made, ref);
    return Status{};
  });
}

vattn_status vattn_paged_geometry_of(const vattn_paged_options* options,
                                     vattn_paged_geometry* geometry, vattn_error* error) {
  return Guard(error, [&] {
    PoolGeometry sizes;
    const vattn_paged_options wanted = ReadSized(options);
    if (Status status = CheckOptions(wanted, &sizes); !status.ok()) return status;
    DriverLimits limits;
    if (Status status = vattention::LimitsWithoutDevice(wanted.device_type, &limits);
        !status.ok()) {
      return status;
    }
    const vattn_paged_geometry result = {
        .size = sizeof(result),
        .blocks = sizes.blocks,
        .block_tokens = sizes.block_tokens,
        .max_blocks = sizes.max_blocks,
        .bytes_per_token = sizes.bytes_per_token,
        .block_bytes = sizes.block_bytes,
        .pool_bytes = sizes.pool_bytes,
        .reserved_bytes = InPages(sizes.tensor_bytes, limits),
        .waste_bound_bytes = sizes.block_bytes,
    };
    WriteSized(result, geometry);
    return Status{};
  });
}

vattn_status vattn_paged_close(vattn_cache* cache, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->Close(); });
}

vattn_status vattn_paged_allocate_prefix(vattn_cache* cache, const uint32_t* tokens, uint32_t count,
                                         const char* salt, uint64_t salt_bytes,
                                         vattn_sequence* sequence, uint32_t* shared_length,
                                         vattn_error* error) {
  return Guard(error, [&] {
    return Of(cache)->AllocatePrefix({tokens, count}, {salt, salt_bytes}, sequence, shared_length);
  });
}

vattn_status vattn_paged_publish(vattn_cache* cache, vattn_sequence sequence,
                                 const uint32_t* tokens, uint32_t count, const char* salt,
                                 uint64_t salt_bytes, vattn_error* error) {
  return Guard(error,
               [&] { return Of(cache)->Publish(sequence, {tokens, count}, {salt, salt_bytes}); });
}

vattn_status vattn_paged_drop_cached(vattn_cache* cache, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->DropCached(); });
}

int32_t vattn_paged_trace_read(vattn_cache* cache, vattn_event* events, int32_t capacity) {
  return Of(cache)->ReadTrace(events, capacity);
}

vattn_status vattn_paged_events_listen(vattn_cache* cache, vattn_event_callback callback,
                                       void* context, vattn_error* error) {
  return Guard(error, [&] {
    Of(cache)->Listen(callback, context);
    return Status{};
  });
}

vattn_status vattn_paged_faults_set(vattn_cache* cache, const vattn_fault_plan* faults,
                                    uint64_t* calls, vattn_error* error) {
  return Guard(error, [&] {
    auto* driver = dynamic_cast<FaultyDriver*>(Of(cache)->driver());
    if (driver == nullptr) {
      return Status::Error(VATTN_UNSUPPORTED,
                           "The cache was made without faults: expected options.faults.");
    }
    if (faults != nullptr) driver->Arm(ReadSized(faults));
    if (calls != nullptr) *calls = driver->calls();
    return Status{};
  });
}

vattn_status vattn_paged_check(vattn_cache* cache, vattn_error* error) {
  return Guard(error, [&] { return Of(cache)->Check(); });
}

}  // extern "C"
