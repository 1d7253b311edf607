#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <vector>

#include "driver_calls.h"
#include "memory/devices.h"

namespace vattention::core {
namespace {

using Clock = std::chrono::steady_clock;

enum class End : int32_t { kCap, kTime, kDriver };

// What a child process tells its parent: no pointers but of static strings, which both have.
struct Told {
  int64_t mappings;
  End end;
  const char* call;
  int64_t code;
};

// Allocates nothing: it also runs in a child process, in which only this thread is left.
Told MapUntilRefused(Driver* driver, uintptr_t address, PagePiece page,
                     const MappingCeilingOptions& options) {
  constexpr int64_t kBetweenLooks = 256;  // the clock is read so often
  const auto most = std::chrono::duration<double>(options.seconds);
  const Clock::time_point begun = Clock::now();
  Told told{0, End::kCap, "", 0};
  for (; told.mappings < options.cap; ++told.mappings, address += page.bytes) {
    // The same page at neighbouring addresses: mappings that cannot merge.
    const DriverStatus status = driver->Map(address, {&page, 1}, false);
    if (!status.ok()) {
      told.end = End::kDriver;
      told.call = status.call;
      told.code = status.code;
      break;
    }
    if (told.mappings % kBetweenLooks == 0 && Clock::now() - begun > most) {
      ++told.mappings;
      told.end = End::kTime;
      break;
    }
  }
  return told;
}

// The child's mappings go with it.
Status InChild(Driver* driver, uintptr_t address, PagePiece page,
               const MappingCeilingOptions& options, Told* told) {
  int ends[2];
  if (pipe(ends) != 0)
    return Status::OfDriver({VATTN_DEVICE_ERROR, "pipe", errno}, "counting mappings");
  const pid_t child = fork();
  if (child == 0) {
    const Told found = MapUntilRefused(driver, address, page, options);
    const ssize_t written = write(ends[1], &found, sizeof(found));
    _exit(written == sizeof(found) ? 0 : 1);
  }
  const int failed = errno;
  close(ends[1]);
  ssize_t got = -1;
  if (child > 0) {
    do {
      got = read(ends[0], told, sizeof(*told));
    } while (got < 0 && errno == EINTR);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  close(ends[0]);
  if (child < 0) return Status::OfDriver({VATTN_DEVICE_ERROR, "fork", failed}, "counting mappings");
  if (got == sizeof(*told)) return {};
  return Status::OfDriver({VATTN_DEVICE_ERROR, "read", got < 0 ? errno : 0},
                          "counting mappings: the child process ended early");
}

const char* TextOf(End end) {
  switch (end) {
    case End::kCap:
      return "cap";
    case End::kTime:
      return "time";
    case End::kDriver:
      break;
  }
  return "driver";
}

}  // namespace

Status MeasureMappingCeiling(const MappingCeilingOptions& options, MappingCeiling* ceiling) {
  std::unique_ptr<Driver> driver;
  if (Status made = MakeDriver(options.device_type, options.device_index, nullptr, &driver);
      !made.ok()) {
    return made;
  }
  const DriverLimits& limits = driver->limits();
  if (options.page_bytes == 0 || options.page_bytes % limits.granularity != 0) {
    return Status::InvalidArgument("Expected pageBytes to be a multiple of ", limits.granularity,
                                   ", which is what this device maps; received ",
                                   options.page_bytes, ".");
  }
  const uint64_t room = limits.max_reservation / options.page_bytes;
  MappingCeilingOptions bounded = options;
  bounded.cap = std::min<int64_t>(options.cap, static_cast<int64_t>(room));
  const uint64_t bytes = static_cast<uint64_t>(bounded.cap) * options.page_bytes;
  uintptr_t address = 0;
  if (const DriverStatus status = driver->Reserve(bytes, &address); !status.ok()) {
    return Status::OfDriver(status, "reserving addresses to map at");
  }
  std::vector<PageHandle> pages;
  DriverStatus status = driver->Create(options.page_bytes, 1, kNoPage, &pages);
  Status done;
  Told told{};
  if (status.ok()) {
    const PagePiece page{pages[0], options.page_bytes};
    if (options.device_type == VATTN_DEVICE_CPU) {
      done = InChild(driver.get(), address, page, bounded, &told);
    } else {
      told = MapUntilRefused(driver.get(), address, page, bounded);
      status = driver->Unmap(address, static_cast<uint64_t>(told.mappings) * page.bytes);
    }
    const DriverStatus released = driver->Release(page.handle, page.bytes);
    if (status.ok()) status = released;
  }
  const DriverStatus freed = driver->FreeReservation(address, bytes);
  if (status.ok()) status = freed;
  if (!done.ok()) return done;
  if (!status.ok()) return Status::OfDriver(status, "counting mappings");
  ceiling->mappings = told.mappings;
  ceiling->end = TextOf(told.end);
  ceiling->driver_call = told.call;
  ceiling->driver_code = told.code;
  return {};
}

}  // namespace vattention::core
