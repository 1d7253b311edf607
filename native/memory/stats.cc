#include "memory/stats.h"

#include <algorithm>
#include <cstring>

namespace vattention::memory {
namespace {

// The mapped bytes by what they are for. A page that several live sequences map counts once: as
// needed if any of them needs it, else as ahead if any has it ahead.
struct MappedUse {
  uint64_t needed = 0;
  uint64_t ahead = 0;
  uint64_t used = 0;
};

MappedUse MeasureMapped(CacheCore* core) {
  MappedUse use;
  const uint32_t needed_mark = core->pool.NextMark();
  const uint32_t ahead_mark = core->pool.NextMark();
  for (const Slot& slot : core->slots) {
    if (!slot.live()) continue;
    const uint64_t backed = core->sequences[slot.sequence].backed;
    const uint64_t ahead = backed + core->config.tail_rows + core->config.ahead_tokens;
    for (uint32_t t = 0; t < core->tensors(); ++t) {
      const uint64_t row = core->tensor(t).row_bytes;
      for (const MapEntry& entry : slot.maps[t].entries()) {
        if (entry.offset >= ahead * row) break;
        Page& page = core->pool.mutable_page(entry.page);
        if (entry.offset >= backed * row) {
          if (page.mark == needed_mark || page.mark == ahead_mark) continue;
          page.mark = ahead_mark;
          use.ahead += entry.bytes;
          continue;
        }
        const auto used = static_cast<uint32_t>(std::min(entry.end(), backed * row) - entry.offset);
        if (page.mark != needed_mark) {
          if (page.mark == ahead_mark) use.ahead -= entry.bytes;
          page.mark = needed_mark;
          page.used_mark = 0;
          use.needed += entry.bytes;
        }
        if (used > page.used_mark) {
          use.used += used - page.used_mark;
          page.used_mark = used;
        }
      }
    }
  }
  return use;
}

}  // namespace

Status Stats(CacheCore* core, bool with_use, vattn_cache_stats* stats) {
  std::memset(stats, 0, sizeof(*stats));
  stats->size = sizeof(*stats);
  Lock lock(core->mutex);
  if (Status status = core->CheckOpen(); !status.ok()) return status;
  const MappedUse use = with_use ? MeasureMapped(core) : MappedUse{};
  const PagePool& pool = core->pool;
  stats->live_sequences = core->handles.live_count();
  stats->reserved_bytes = core->layout.reserved_bytes;
  stats->limit_bytes = core->limit_bytes;
  stats->total_bytes = pool.total_bytes();
  stats->mapped_bytes = pool.bytes_in(PageState::kMapped);
  stats->needed_bytes = use.needed;
  stats->ahead_bytes = use.ahead;
  // The rest: adopted beyond that, taken by steps in progress, pinned by reserved sequences.
  stats->surplus_bytes = stats->mapped_bytes - use.needed - use.ahead;
  stats->retained_bytes = pool.bytes_in(PageState::kRetained);
  stats->parked_bytes = pool.bytes_in(PageState::kParked);
  stats->condemned_bytes = pool.bytes_in(PageState::kCondemned);
  stats->free_bytes = pool.free_bytes();
  stats->used_bytes = use.used;
  stats->shared_bytes = pool.shared_bytes();
  stats->live_mappings = core->live_mappings + core->mapping_promises;
  stats->mapping_budget = core->config.mapping_budget;

  const CacheCounters& counters = core->counters;
  stats->steps = counters.steps;
  stats->steps_out_of_memory = counters.steps_out_of_memory;
  stats->steps_mapped_sync = counters.steps_mapped_sync;
  stats->adoptions = counters.adoptions;
  stats->evictions = counters.evictions;
  stats->aliased_tokens = counters.aliased_tokens;
  stats->copied_tokens = counters.copied_tokens;
  stats->copied_bytes = counters.copied_bytes;
  static_assert(sizeof(stats->step_ns_histogram) == sizeof(counters.step_ns_histogram),
                "the histogram of the ABI and the one that is kept have the same buckets");
  std::memcpy(stats->step_ns_histogram, counters.step_ns_histogram,
              sizeof(stats->step_ns_histogram));
  const DriverCounters& driver = core->port.counters();
  stats->driver_calls = driver.calls;
  stats->pages_created = driver.pages_created;
  stats->pages_released = driver.pages_released;
  stats->pages_mapped = driver.pages_mapped;
  stats->pages_unmapped = driver.pages_unmapped;
  stats->zeroed_bytes = driver.zeroed_bytes;
  return {};
}

}  // namespace vattention::memory
