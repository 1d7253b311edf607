#include "memory/devices.h"

#include <string>

#include "memory/cuda_driver.h"
#include "memory/host_driver.h"

namespace vattention {
namespace {

Status UnknownDevice(int32_t device_type) {
  return Status::Error(VATTN_UNSUPPORTED, "expected device type ", int{VATTN_DEVICE_CPU},
                       " (CPU) or ", int{VATTN_DEVICE_CUDA}, " (CUDA), received ", device_type,
                       ".");
}

}  // namespace

Status MakeDriver(int32_t device_type, int32_t device_index, const char* cgroup_root,
                  std::unique_ptr<Driver>* driver) {
  DriverStatus made;
  if (device_type == VATTN_DEVICE_CPU) {
    *driver = HostDriver::Make(cgroup_root, &made);
    return *driver != nullptr ? Status() : Status::OfDriver(made, "making the host driver");
  }
  if (device_type == VATTN_DEVICE_CUDA) {
    std::string why;
    *driver = CudaDriver::Make(device_index, &made, &why);
    return *driver != nullptr ? Status() : Status::Error(made.status, why);
  }
  return UnknownDevice(device_type);
}

Status LimitsWithoutDevice(int32_t device_type, DriverLimits* limits) {
  limits->memory_bytes = ~uint64_t{0};
  limits->mapping_budget = ~uint64_t{0};
  if (device_type == VATTN_DEVICE_CPU) {
    limits->page_classes = HostDriver::DefaultPageClasses();
    limits->granularity = HostDriver::kGranularity;
    limits->max_reservation = HostDriver::MaxReservation();
    return {};
  }
  if (device_type == VATTN_DEVICE_CUDA) {
    limits->page_classes = CudaDriver::DefaultPageClasses();
    limits->granularity = CudaDriver::kGranularity;
    limits->max_reservation = CudaDriver::kMaxReservation;
    return {};
  }
  return UnknownDevice(device_type);
}

}  // namespace vattention
