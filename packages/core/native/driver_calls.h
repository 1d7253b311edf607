// What single calls of a device's driver cost: for diagnosis, and for benches. Knows nothing of
// JavaScript.
#ifndef VATTENTION_CORE_DRIVER_CALLS_H_
#define VATTENTION_CORE_DRIVER_CALLS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "memory/status.h"

namespace vattention::core {

struct DriverCallOptions {
  int32_t device_type;
  int32_t device_index;
  uint64_t page_bytes;  // of a page: one physical allocation
  int handles;          // pages in one round
  int rounds;
};

// The nanoseconds of one kind of call, a number for each round: all handles of the round together.
struct DriverCallTimes {
  const char* call;  // static string, as JavaScript names it
  std::vector<double> nanoseconds;
};

// Makes a driver of its own, and in every round: reserves addresses for `handles` pages, creates
// them, maps them with access in one call, exports the first, unmaps all in one call, releases each
// and frees the reservation. What the device has no call for is left out. On a GPU mapping and
// setting access are also measured apart: one call for each page, then one for the whole range.
Status MeasureDriverCalls(const DriverCallOptions& options, std::vector<DriverCallTimes>* times);

struct MappingCeilingOptions {
  int32_t device_type;
  int32_t device_index;
  uint64_t page_bytes;
  int64_t cap;     // most mappings that are made
  double seconds;  // most time that it takes
};

struct MappingCeiling {
  int64_t mappings = 0;     // that lived together
  const char* end = "";     // "cap", "time" or "driver": what stopped it
  std::string driver_call;  // that failed; empty unless `end` is "driver"
  int64_t driver_code = 0;
};

// Maps one page again and again, each time at the next address, until the driver refuses. On the
// CPU in a child process: at the limit every allocation of a process fails, also those of others.
Status MeasureMappingCeiling(const MappingCeilingOptions& options, MappingCeiling* ceiling);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_DRIVER_CALLS_H_
