#include "memory/limits.h"

#include <algorithm>

#include "memory/reclaim.h"

namespace vattention::memory {

Status ShrinkTo(CacheCore* core, Lock* lock, uint64_t held_bytes, EventThread thread, Tally* tally,
                uint64_t* released) {
  *released = 0;
  while (core->pool.total_bytes() > held_bytes) {
    const uint64_t excess = core->pool.total_bytes() - held_bytes;
    uint64_t bytes = 0;
    if (core->pool.free_bytes() > 0) {
      Status status = ReleaseFree(core, lock, excess, thread, tally, &bytes);
      *released += bytes;
      if (!status.ok()) return status;
      continue;
    }
    Status status = UnmapCondemned(core, lock, thread, tally, &bytes);
    if (!status.ok()) return status;
    if (bytes > 0) continue;
    Reclaimer reclaimer(core, thread, tally);
    status = reclaimer.FreeBytes(lock, excess, Reach::kParked, &bytes);
    if (!status.ok()) return status;
    if (bytes == 0) break;
  }
  return {};
}

Status SetLimit(CacheCore* core, uint64_t bytes) {
  if (bytes < core->config.smallest()) {
    return Status::InvalidArgument("expected a limit of at least one page (",
                                   core->config.smallest(), " bytes), received ", bytes, ".");
  }
  std::lock_guard operation(core->operation);
  Lock lock(core->mutex);
  if (Status status = core->CheckOpen(); !status.ok()) return status;
  const int64_t start = core->trace.Now();
  core->limit_bytes = std::min(bytes, core->port.limits().memory_bytes);
  core->SettleFences();
  Tally tally;
  uint64_t released = 0;
  Status status = ShrinkTo(core, &lock, core->limit_bytes, EventThread::kCaller, &tally, &released);
  core->trace.Emit(VATTN_EVENT_LIMIT, EventThread::kCaller, start, -1, core->limit_bytes, 0);
  core->WakeMapper();
  return status;
}

Status Trim(CacheCore* core, uint64_t keep_bytes, uint64_t* released_bytes) {
  uint64_t unused = 0;
  if (released_bytes == nullptr) released_bytes = &unused;
  *released_bytes = 0;
  std::lock_guard operation(core->operation);
  Lock lock(core->mutex);
  if (Status status = core->CheckOpen(); !status.ok()) return status;
  const MapperHold hold(core, &lock);  // it would refill what this releases
  core->SettleFences();
  Tally tally;
  uint64_t bytes = 0;
  if (Status status = UnmapCondemned(core, &lock, EventThread::kCaller, &tally, &bytes);
      !status.ok()) {
    return status;
  }
  const uint64_t spare = core->pool.free_bytes() + core->pool.bytes_in(PageState::kParked);
  if (spare <= keep_bytes) return {};
  return ShrinkTo(core, &lock, core->pool.total_bytes() - (spare - keep_bytes),
                  EventThread::kCaller, &tally, released_bytes);
}

}  // namespace vattention::memory
