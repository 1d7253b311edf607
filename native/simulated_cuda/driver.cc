// Devices, contexts, memory.
#include "simulated_cuda/driver.h"

#include <cstdio>
#include <cstring>

namespace vattention::simulated {

namespace {

constexpr int kVersion = 13000;

}  // namespace

extern "C" {

EXPORTED Result cuInit(unsigned) { return kSuccess; }

EXPORTED Result cuDriverGetVersion(int* version) {
  *version = kVersion;
  return kSuccess;
}

EXPORTED Result cuGetErrorName(Result result, const char** name) {
  *name = result == kSuccess          ? "CUDA_SUCCESS"
          : result == kOutOfMemory    ? "CUDA_ERROR_OUT_OF_MEMORY"
          : result == kIllegalAddress ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : result == kInvalidContext ? "CUDA_ERROR_INVALID_CONTEXT"
          : result == kInvalidHandle  ? "CUDA_ERROR_INVALID_HANDLE"
                                      : "CUDA_ERROR_INVALID_VALUE";
  return kSuccess;
}

EXPORTED Result cuDeviceGetCount(int* count) {
  *count = kDevices;
  return kSuccess;
}

EXPORTED Result cuDeviceGet(DeviceIndex* device, int index) {
  if (index < 0 || index >= kDevices) return kInvalidDevice;
  *device = index;
  return kSuccess;
}

EXPORTED Result cuDeviceGetAttribute(int* value, int attribute, DeviceIndex device) {
  if (device < 0 || device >= kDevices) return kInvalidDevice;
  switch (attribute) {
    case cuda::kAttributeMajor:
      *value = 9;
      break;
    case cuda::kAttributeVirtualMemory:
    case cuda::kAttributePosixHandles:
    case cuda::kAttributePools:
      *value = 1;
      break;
    default:
      *value = 0;
  }
  return kSuccess;
}

EXPORTED Result cuDeviceGetName(char* name, int size, DeviceIndex) {
  std::snprintf(name, static_cast<size_t>(size), "Simulated GPU");
  return kSuccess;
}

EXPORTED Result cuDeviceGetUuid(cuda::Uuid* uuid, DeviceIndex device) {
  std::memset(uuid->bytes, 0, sizeof(uuid->bytes));
  uuid->bytes[15] = static_cast<uint8_t>(device + 1);
  return kSuccess;
}

EXPORTED Result cuDevicePrimaryCtxRetain(Context* context, DeviceIndex device) {
  *context = &Simulation::Get().contexts[device];
  return kSuccess;
}

EXPORTED Result cuDevicePrimaryCtxRelease_v2(DeviceIndex) { return kSuccess; }

EXPORTED Result cuCtxPushCurrent_v2(Context context) {
  if (context == nullptr) return kInvalidContext;
  ThisThread().contexts.push_back(context);
  return kSuccess;
}

EXPORTED Result cuCtxPopCurrent_v2(Context* context) {
  auto& contexts = ThisThread().contexts;
  if (contexts.empty()) return kInvalidContext;
  *context = contexts.back();
  contexts.pop_back();
  return kSuccess;
}

EXPORTED Result cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  *least = kLeastPriority;
  *greatest = kGreatestPriority;
  return kSuccess;
}

EXPORTED Result cuMemGetInfo_v2(size_t* free, size_t* total) {
  const int device = CurrentDevice();
  if (device < 0) return kInvalidContext;
  *free = Memory::Get().FreeBytes(device);
  *total = kDeviceBytes;
  return kSuccess;
}

EXPORTED Result cuMemGetAllocationGranularity(size_t* granularity,
                                              const cuda::AllocationProperties*, int) {
  *granularity = kPage;
  return kSuccess;
}

EXPORTED Result cuThreadExchangeStreamCaptureMode(int* mode) {
  std::swap(*mode, ThisThread().capture_mode);
  return kSuccess;
}

EXPORTED Result cuMemAddressReserve(DeviceAddress* address, size_t bytes, size_t alignment,
                                    DeviceAddress, unsigned long long) {
  if (const Result result = Enter(); result != kSuccess) return result;
  return Memory::Get().Reserve(bytes, alignment, address);
}

EXPORTED Result cuMemAddressFree(DeviceAddress address, size_t bytes) {
  if (const Result result = Enter(); result != kSuccess) return result;
  return Memory::Get().FreeReservation(address, bytes);
}

EXPORTED Result cuMemCreate(cuda::AllocationHandle* handle, size_t bytes,
                            const cuda::AllocationProperties* properties, unsigned long long) {
  if (const Result result = Enter(); result != kSuccess) return result;
  return Memory::Get().Create(properties->location.id, bytes, properties->handle_types != 0,
                              handle);
}

EXPORTED Result cuMemRelease(cuda::AllocationHandle handle) {
  if (const Result result = Enter(); result != kSuccess) return result;
  return Memory::Get().Release(handle);
}

EXPORTED Result cuMemMap(DeviceAddress address, size_t bytes, size_t offset,
                         cuda::AllocationHandle handle, unsigned long long) {
  if (const Result result = Enter(); result != kSuccess) return result;
  return offset != 0 ? kInvalidValue : Memory::Get().Map(address, bytes, handle);
}

EXPORTED Result cuMemUnmap(DeviceAddress address, size_t bytes) {
  if (const Result result = Enter(); result != kSuccess) return result;
  return Memory::Get().Unmap(address, bytes);
}

EXPORTED Result cuMemSetAccess(DeviceAddress address, size_t bytes,
                               const cuda::AccessDescriptor* access, size_t count) {
  if (const Result result = Enter(); result != kSuccess) return result;
  return count != 1 ? kInvalidValue : Memory::Get().SetAccess(address, bytes, access->flags);
}

EXPORTED Result cuMemExportToShareableHandle(void* file, cuda::AllocationHandle handle, int type,
                                             unsigned long long) {
  if (const Result result = Enter(); result != kSuccess) return result;
  if (type != cuda::kHandlePosix) return kInvalidValue;
  return Memory::Get().Export(handle, static_cast<int*>(file));
}

EXPORTED Result cuMemImportFromShareableHandle(cuda::AllocationHandle* handle, void* file,
                                               int type) {
  if (const Result result = Enter(); result != kSuccess) return result;
  if (type != cuda::kHandlePosix) return kInvalidValue;
  return Memory::Get().Import(CurrentDevice(), static_cast<int>(reinterpret_cast<intptr_t>(file)),
                              handle);
}

EXPORTED Result cuPointerGetAttribute(void* value, int attribute, DeviceAddress address) {
  if (attribute != cuda::kPointerMemoryType) return kInvalidValue;
  const int type = Memory::Get().TypeOf(address);
  if (type == 0) return kInvalidValue;
  *static_cast<unsigned*>(value) = static_cast<unsigned>(type);
  return kSuccess;
}

}  // extern "C"

// What waits, allocates or asks: needs a context, a device that works, and nothing captured.
Result Enter() {
  if (CurrentDevice() < 0) return kInvalidContext;
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  if (simulation.error != kSuccess) return simulation.error;
  return MayBeUnsafe() ? kSuccess : kUnsupportedInCapture;
}

}  // namespace vattention::simulated
