#include "memory/contiguous_cache_impl.h"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "memory/devices.h"

namespace vattention::memory {

Status ContiguousCache::Create(const vattn_contiguous_options& options,
                               std::unique_ptr<ContiguousCache>* cache) {
  std::unique_ptr<Driver> driver;
  if (Status status =
          MakeDriver(options.device_type, options.device_index, options.cgroup_root, &driver);
      !status.ok()) {
    return status;
  }
  if (options.faults != nullptr) {
    driver = std::make_unique<FaultyDriver>(std::move(driver), ReadSized(options.faults));
  }
  return CreateOn(std::move(driver), options, cache);
}

Status ContiguousCache::CreateOn(std::unique_ptr<Driver> driver,
                                 const vattn_contiguous_options& options,
                                 std::unique_ptr<ContiguousCache>* cache) {
  CacheConfig config;
  if (Status status = ResolveConfig(options, driver->limits(), &config); !status.ok()) {
    return status;
  }
  Layout layout;
  if (Status status = MakeLayout(config, driver->limits().max_reservation, &layout); !status.ok()) {
    return status;
  }
  const uint64_t four_pages = 4 * config.smallest() * layout.tensors.size();
  if (config.idle_bytes == 0) config.idle_bytes = four_pages;
  if (!config.map_ahead) {
    config.low_water_bytes = 0;
  } else if (config.low_water_bytes == 0) {
    config.low_water_bytes = std::min(config.limit_bytes / 8, four_pages);
  }
  std::unique_ptr<ContiguousCache> made(
      new ContiguousCache(std::move(config), std::move(layout), std::move(driver)));
  if (Status status = made->Start(); !status.ok()) return status;
  *cache = std::move(made);
  return {};
}

Status ContiguousCache::Start() {
  const DriverStatus reserved =
      core_.port.driver()->Reserve(core_.layout.reserved_bytes, &core_.base);
  if (!reserved.ok()) {
    core_.base = 0;
    return Status::OfDriver(reserved, "reserving address space");
  }
  tensors_ = MakeTensors(core_.config, core_.layout, core_.base);
  if (!core_.config.map_ahead) return {};
  core_.has_mapper = true;
  try {
    mapper_ = std::make_unique<Mapper>(&core_);
  } catch (const std::system_error& error) {
    return Status::OfDriver({VATTN_DEVICE_ERROR, "pthread_create", error.code().value()},
                            "starting the mapper thread");
  }
  return {};
}

ContiguousCache::~ContiguousCache() {
  mapper_.reset();
  // What is still mapped goes with the address range, and memory with the driver.
  if (core_.base != 0) {
    core_.port.driver()->FreeReservation(core_.base, core_.layout.reserved_bytes);
  }
}

FaultyDriver* ContiguousCache::faulty() { return dynamic_cast<FaultyDriver*>(core_.port.driver()); }

Status ContiguousCache::Close() {
  std::lock_guard operation(core_.operation);
  {
    Lock lock(core_.mutex);
    if (!core_.closed) {
      FencePtr fence;
      if (Status status = core_.streams.RecordAll(&fence); !status.ok()) return status;
      if (fence != nullptr) {
        return Status::Error(VATTN_BUSY,
                             "an attached stream has work in flight; wait for it, then close.");
      }
      core_.closed = true;
      core_.revision.fetch_add(1, std::memory_order_release);
      core_.changed.notify_all();
    }
  }
  if (mapper_ != nullptr) mapper_->Stop();  // nobody works outside the lock from here on
  Lock lock(core_.mutex);
  return GiveEverythingBack(&lock);
}

Status ContiguousCache::GiveEverythingBack(Lock* lock) {
  Tally tally;
  Status first_error;
  auto note = [&](const DriverStatus& status, const char* doing) {
    if (!status.ok() && first_error.ok()) first_error = Status::OfDriver(status, doing);
    return status.ok();
  };
  for (uint32_t i = 0; i < core_.sequences.size(); ++i) {
    core_.DropShare(&core_.sequences[i]);
    if (core_.handles.IsLive(i)) core_.handles.Free(i);
    const uint32_t slot = core_.sequences[i].slot;
    if (slot != kNone) core_.Park(slot, nullptr);
    core_.sequences[i] = Sequence();
  }
  // What other processes were given stays until the export is released.
  std::erase_if(core_.spans, [&](const auto& entry) {
    const Span& span = entry.second;
    if (span.exported) return false;
    for (const Span::Piece& piece : span.pieces) core_.pool.Drop(piece.page, &Page::spans);
    return true;
  });

  // One call for a slot's tensor: what lies between its pages is unmapped already.
  lock->unlock();
  for (auto range = core_.condemned.begin(); range != core_.condemned.end();) {
    const uint64_t from = range->entries.front().offset;
    const uint64_t bytes = range->entries.back().end() - from;
    if (!note(core_.port.Unmap(core_.Address(range->slot, range->tensor, from), bytes,
                               range->entries.size(), &tally),
              "unmapping pages")) {
      ++range;
      continue;
    }
    for (const MapEntry& entry : range->entries) core_.pool.Drop(entry.page, &Page::condemned);
    core_.live_mappings -= range->mappings;
    --core_.slots[range->slot].condemned;
    range = core_.condemned.erase(range);
  }
  for (uint32_t s = 0; s < core_.slots.size(); ++s) {
    Slot* slot = &core_.slots[s];
    for (uint32_t t = 0; t < core_.tensors(); ++t) {
      const auto& entries = slot->maps[t].entries();
      if (entries.empty()) continue;
      const uint64_t from = entries.front().offset;
      if (!note(core_.port.Unmap(core_.Address(s, t, from), entries.back().end() - from,
                                 entries.size(), &tally),
                "unmapping pages")) {
        continue;
      }
      for (const MapEntry& entry : entries) core_.DropReference(*slot, t, entry);
      core_.Erase(slot, t, 0, entries.size());
    }
  }
  std::vector<PageId> left;
  while (const auto id = core_.pool.FindFree()) {
    const Page page = core_.pool.page(*id);
    if (note(core_.port.Release(page.handle, page.bytes, &tally), "giving memory back")) {
      core_.pool.Remove(*id);
    } else {
      core_.pool.TakeThis(*id);
      left.push_back(*id);
    }
  }
  for (const PageId id : left) core_.pool.Drop(id, &Page::live);
  if (first_error.ok()) core_.port.driver()->Retire();
  lock->lock();
  return first_error;
}

}  // namespace vattention::memory
