// The functions of the CUDA driver that this library calls, found at run time: nothing of CUDA is
// needed to build or to install it, and a machine without a GPU loads it all the same. Types and
// numbers are those of the driver's stable binary interface ("CUDA Driver API", cuda.h).
#ifndef VATTENTION_NATIVE_MEMORY_CUDA_API_H_
#define VATTENTION_NATIVE_MEMORY_CUDA_API_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace vattention::cuda {

using Result = int;       // CUresult
using DeviceIndex = int;  // CUdevice
using DeviceAddress = uint64_t;
using AllocationHandle = uint64_t;  // CUmemGenericAllocationHandle
struct ContextObject;               // CUctx_st
struct StreamObject;                // CUstream_st
struct EventObject;                 // CUevent_st
using Context = ContextObject*;
using Stream = StreamObject*;
using Event = EventObject*;

inline constexpr Result kSuccess = 0;
inline constexpr Result kInvalidValue = 1;
inline constexpr Result kOutOfMemory = 2;
inline constexpr Result kNotReady = 600;

inline constexpr int kAttributeVirtualMemory = 102;
inline constexpr int kAttributePosixHandles = 103;
inline constexpr int kAttributeRdma = 110;

inline constexpr int kLocationDevice = 1;
inline constexpr int kAllocationPinned = 1;
inline constexpr int kHandlePosix = 1;
inline constexpr int kAccessRead = 1;
inline constexpr int kAccessReadWrite = 3;
inline constexpr int kGranularityMinimum = 0;
inline constexpr int kMemoryHost = 1;
inline constexpr int kMemoryDevice = 2;
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr unsigned kEventDisableTiming = 2;

struct Location {
  int type = kLocationDevice;
  int id = 0;
};
// CUmemAllocationProp
struct AllocationProperties {
  int type = kAllocationPinned;
  int handle_types = 0;
  Location location;
  void* win32_metadata = nullptr;
  uint8_t compression = 0;
  uint8_t rdma = 0;
  uint16_t usage = 0;
  uint8_t reserved[4] = {};
};
static_assert(sizeof(AllocationProperties) == 32);
// CUmemAccessDesc
struct AccessDescriptor {
  Location location;
  int flags = kAccessReadWrite;
};
static_assert(sizeof(AccessDescriptor) == 12);
// CUDA_MEMCPY2D
struct Copy2d {
  size_t from_x = 0;
  size_t from_y = 0;
  int from_type = kMemoryDevice;
  const void* from_host = nullptr;
  DeviceAddress from_device = 0;
  void* from_array = nullptr;
  size_t from_pitch = 0;
  size_t to_x = 0;
  size_t to_y = 0;
  int to_type = kMemoryDevice;
  void* to_host = nullptr;
  DeviceAddress to_device = 0;
  void* to_array = nullptr;
  size_t to_pitch = 0;
  size_t bytes = 0;
  size_t rows = 0;
};
static_assert(sizeof(Copy2d) == 128);

// name, exported symbol, parameters
#define VATTN_CUDA_FUNCTIONS(F)                                                                    \
  F(init, "cuInit", (unsigned))                                                                    \
  F(driver_version, "cuDriverGetVersion", (int*))                                                  \
  F(error_name, "cuGetErrorName", (Result, const char**))                                          \
  F(device_count, "cuDeviceGetCount", (int*))                                                      \
  F(device_get, "cuDeviceGet", (DeviceIndex*, int))                                                \
  F(device_attribute, "cuDeviceGetAttribute", (int*, int, DeviceIndex))                            \
  F(context_retain, "cuDevicePrimaryCtxRetain", (Context*, DeviceIndex))                           \
  F(context_release, "cuDevicePrimaryCtxRelease_v2", (DeviceIndex))                                \
  F(context_push, "cuCtxPushCurrent_v2", (Context))                                                \
  F(context_pop, "cuCtxPopCurrent_v2", (Context*))                                                 \
  F(context_synchronize, "cuCtxSynchronize", ())                                                   \
  F(memory_info, "cuMemGetInfo_v2", (size_t*, size_t*))                                            \
  F(granularity, "cuMemGetAllocationGranularity", (size_t*, const AllocationProperties*, int))     \
  F(address_reserve, "cuMemAddressReserve",                                                        \
    (DeviceAddress*, size_t, size_t, DeviceAddress, unsigned long long))                           \
  F(address_free, "cuMemAddressFree", (DeviceAddress, size_t))                                     \
  F(memory_create, "cuMemCreate",                                                                  \
    (AllocationHandle*, size_t, const AllocationProperties*, unsigned long long))                  \
  F(memory_release, "cuMemRelease", (AllocationHandle))                                            \
  F(memory_map, "cuMemMap", (DeviceAddress, size_t, size_t, AllocationHandle, unsigned long long)) \
  F(memory_unmap, "cuMemUnmap", (DeviceAddress, size_t))                                           \
  F(set_access, "cuMemSetAccess", (DeviceAddress, size_t, const AccessDescriptor*, size_t))        \
  F(set8, "cuMemsetD8Async", (DeviceAddress, unsigned char, size_t, Stream))                       \
  F(set32, "cuMemsetD32Async", (DeviceAddress, unsigned, size_t, Stream))                          \
  F(set8_rows, "cuMemsetD2D8Async",                                                                \
    (DeviceAddress, size_t, unsigned char, size_t, size_t, Stream))                                \
  F(copy, "cuMemcpyDtoDAsync_v2", (DeviceAddress, DeviceAddress, size_t, Stream))                  \
  F(copy_rows, "cuMemcpy2DAsync_v2", (const Copy2d*, Stream))                                      \
  F(copy_rows_now, "cuMemcpy2DUnaligned_v2", (const Copy2d*))                                      \
  F(copy_to_host, "cuMemcpyDtoHAsync_v2", (void*, DeviceAddress, size_t, Stream))                  \
  F(copy_from_host, "cuMemcpyHtoDAsync_v2", (DeviceAddress, const void*, size_t, Stream))          \
  F(stream_create, "cuStreamCreate", (Stream*, unsigned))                                          \
  F(stream_destroy, "cuStreamDestroy_v2", (Stream))                                                \
  F(stream_wait_event, "cuStreamWaitEvent", (Stream, Event, unsigned))                             \
  F(stream_synchronize, "cuStreamSynchronize", (Stream))                                           \
  F(event_create, "cuEventCreate", (Event*, unsigned))                                             \
  F(event_destroy, "cuEventDestroy_v2", (Event))                                                   \
  F(event_record, "cuEventRecord", (Event, Stream))                                                \
  F(event_query, "cuEventQuery", (Event))

struct Api {
#define VATTN_CUDA_MEMBER(name, symbol, parameters) Result(*name) parameters = nullptr;
  VATTN_CUDA_FUNCTIONS(VATTN_CUDA_MEMBER)
#undef VATTN_CUDA_MEMBER
};

// The driver of this machine, initialised; loaded once per process and never unloaded. nullptr when
// there is none that can be used: *why says so in words, with the remedy.
const Api* GetApi(std::string* why);

}  // namespace vattention::cuda

#endif  // VATTENTION_NATIVE_MEMORY_CUDA_API_H_
