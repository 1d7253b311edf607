// Which driver a device type has.
#ifndef VATTENTION_NATIVE_MEMORY_DEVICES_H_
#define VATTENTION_NATIVE_MEMORY_DEVICES_H_

#include <cstdint>
#include <memory>

#include "memory/driver.h"
#include "memory/status.h"

namespace vattention {

// The driver of a device. `cgroup_root` as in vattn_contiguous_options. VATTN_UNSUPPORTED with the
// reason where there is none, for an unknown device type too.
Status MakeDriver(int32_t device_type, int32_t device_index, const char* cgroup_root,
                  std::unique_ptr<Driver>* driver);

// What a driver of this type would say of itself, without making one: memory and mappings count as
// unlimited.
Status LimitsWithoutDevice(int32_t device_type, DriverLimits* limits);

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_DEVICES_H_
