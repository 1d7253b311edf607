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
struct PoolObject;                  // CUmemPoolHandle_st
struct GraphObject;                 // CUgraph_st
struct GraphExecObject;             // CUgraphExec_st
using Context = ContextObject*;
using Stream = StreamObject*;
using Event = EventObject*;
using Pool = PoolObject*;
using Graph = GraphObject*;
using GraphExec = GraphExecObject*;

inline constexpr Result kSuccess = 0;
inline constexpr Result kInvalidValue = 1;
inline constexpr Result kOutOfMemory = 2;
inline constexpr Result kNotReady = 600;
inline constexpr Result kNotSupported = 801;
inline constexpr Result kFirstCaptureError = 900;
inline constexpr Result kCaptureImplicit = 906;
inline constexpr Result kLastCaptureError = 908;

inline constexpr int kAttributeMajor = 75;
inline constexpr int kAttributeMinor = 76;
inline constexpr int kAttributeVirtualMemory = 102;
inline constexpr int kAttributePosixHandles = 103;
inline constexpr int kAttributeRdma = 110;
inline constexpr int kAttributePools = 115;

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
inline constexpr unsigned kEventWithTiming = 0;
inline constexpr int kCaptureThreadLocal = 1;
inline constexpr int kCaptureRelaxed = 2;
inline constexpr int kCaptureNone = 0;
inline constexpr unsigned kHostPortable = 1;
inline constexpr int kPointerMemoryType = 2;
inline constexpr unsigned kWaitGreaterOrEqual = 0;

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
// CUmemPoolProps
struct PoolProperties {
  int type = kAllocationPinned;
  int handle_types = 0;
  Location location;
  void* win32_attributes = nullptr;
  size_t most_bytes = 0;
  uint16_t usage = 0;
  uint8_t reserved[54] = {};
};
static_assert(sizeof(PoolProperties) == 88);
// CUuuid
struct Uuid {
  uint8_t bytes[16] = {};
};
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
// CUDA_MEMCPY3D, and CUDA_MEMCPY3D_PEER
struct Copy3d {
  struct End {
    size_t x = 0;
    size_t y = 0;
    size_t z = 0;
    size_t level = 0;
    int type = kMemoryDevice;
    const void* host = nullptr;
    DeviceAddress device = 0;
    void* array = nullptr;
    Context context = nullptr;  // between devices only
    size_t pitch = 0;
    size_t height = 0;  // rows from a plane to the next
  };
  End from;
  End to;
  size_t bytes = 0;
  size_t rows = 0;
  size_t planes = 0;
};
static_assert(sizeof(Copy3d) == 200);

// name, exported symbol, parameters
#define VATTN_CUDA_FUNCTIONS(F)                                                                    \
  F(init, "cuInit", (unsigned))                                                                    \
  F(driver_version, "cuDriverGetVersion", (int*))                                                  \
  F(error_name, "cuGetErrorName", (Result, const char**))                                          \
  F(device_count, "cuDeviceGetCount", (int*))                                                      \
  F(device_get, "cuDeviceGet", (DeviceIndex*, int))                                                \
  F(device_attribute, "cuDeviceGetAttribute", (int*, int, DeviceIndex))                            \
  F(device_name, "cuDeviceGetName", (char*, int, DeviceIndex))                                     \
  F(device_uuid, "cuDeviceGetUuid", (Uuid*, DeviceIndex))                                          \
  F(context_retain, "cuDevicePrimaryCtxRetain", (Context*, DeviceIndex))                           \
  F(context_release, "cuDevicePrimaryCtxRelease_v2", (DeviceIndex))                                \
  F(context_push, "cuCtxPushCurrent_v2", (Context))                                                \
  F(context_pop, "cuCtxPopCurrent_v2", (Context*))                                                 \
  F(context_synchronize, "cuCtxSynchronize", ())                                                   \
  F(memory_info, "cuMemGetInfo_v2", (size_t*, size_t*))                                            \
  F(granularity, "cuMemGetAllocationGranularity", (size_t*, const AllocationProperties*, int))     \
  F(exchange_capture_mode, "cuThreadExchangeStreamCaptureMode", (int*))                            \
  F(address_reserve, "cuMemAddressReserve",                                                        \
    (DeviceAddress*, size_t, size_t, DeviceAddress, unsigned long long))                           \
  F(address_free, "cuMemAddressFree", (DeviceAddress, size_t))                                     \
  F(memory_create, "cuMemCreate",                                                                  \
    (AllocationHandle*, size_t, const AllocationProperties*, unsigned long long))                  \
  F(memory_release, "cuMemRelease", (AllocationHandle))                                            \
  F(memory_map, "cuMemMap", (DeviceAddress, size_t, size_t, AllocationHandle, unsigned long long)) \
  F(memory_unmap, "cuMemUnmap", (DeviceAddress, size_t))                                           \
  F(set_access, "cuMemSetAccess", (DeviceAddress, size_t, const AccessDescriptor*, size_t))        \
  F(memory_export, "cuMemExportToShareableHandle",                                                 \
    (void*, AllocationHandle, int, unsigned long long))                                            \
  F(memory_import, "cuMemImportFromShareableHandle", (AllocationHandle*, void*, int))              \
  F(set8, "cuMemsetD8Async", (DeviceAddress, unsigned char, size_t, Stream))                       \
  F(set32, "cuMemsetD32Async", (DeviceAddress, unsigned, size_t, Stream))                          \
  F(set8_rows, "cuMemsetD2D8Async",                                                                \
    (DeviceAddress, size_t, unsigned char, size_t, size_t, Stream))                                \
  F(set32_rows, "cuMemsetD2D32Async", (DeviceAddress, size_t, unsigned, size_t, size_t, Stream))   \
  F(copy, "cuMemcpyDtoDAsync_v2", (DeviceAddress, DeviceAddress, size_t, Stream))                  \
  F(copy_rows, "cuMemcpy2DAsync_v2", (const Copy2d*, Stream))                                      \
  F(copy_planes, "cuMemcpy3DAsync_v2", (const Copy3d*, Stream))                                    \
  F(copy_rows_now, "cuMemcpy2DUnaligned_v2", (const Copy2d*))                                      \
  F(copy_planes_peer, "cuMemcpy3DPeerAsync", (const Copy3d*, Stream))                              \
  F(copy_to_host, "cuMemcpyDtoHAsync_v2", (void*, DeviceAddress, size_t, Stream))                  \
  F(copy_from_host, "cuMemcpyHtoDAsync_v2", (DeviceAddress, const void*, size_t, Stream))          \
  F(stream_create, "cuStreamCreate", (Stream*, unsigned))                                          \
  F(stream_create_with_priority, "cuStreamCreateWithPriority", (Stream*, unsigned, int))           \
  F(stream_priorities, "cuCtxGetStreamPriorityRange", (int*, int*))                                \
  F(stream_destroy, "cuStreamDestroy_v2", (Stream))                                                \
  F(stream_query, "cuStreamQuery", (Stream))                                                       \
  F(stream_is_capturing, "cuStreamIsCapturing", (Stream, int*))                                    \
  F(stream_begin_capture, "cuStreamBeginCapture_v2", (Stream, int))                                \
  F(stream_end_capture, "cuStreamEndCapture", (Stream, Graph*))                                    \
  F(stream_wait_event, "cuStreamWaitEvent", (Stream, Event, unsigned))                             \
  F(stream_synchronize, "cuStreamSynchronize", (Stream))                                           \
  F(event_create, "cuEventCreate", (Event*, unsigned))                                             \
  F(event_destroy, "cuEventDestroy_v2", (Event))                                                   \
  F(event_record, "cuEventRecord", (Event, Stream))                                                \
  F(event_elapsed_time, "cuEventElapsedTime", (float*, Event, Event))                              \
  F(event_query, "cuEventQuery", (Event))                                                          \
  F(graph_instantiate, "cuGraphInstantiateWithFlags", (GraphExec*, Graph, unsigned long long))     \
  F(graph_launch, "cuGraphLaunch", (GraphExec, Stream))                                            \
  F(graph_destroy, "cuGraphDestroy", (Graph))                                                      \
  F(graph_exec_destroy, "cuGraphExecDestroy", (GraphExec))                                         \
  F(pool_create, "cuMemPoolCreate", (Pool*, const PoolProperties*))                                \
  F(pool_destroy, "cuMemPoolDestroy", (Pool))                                                      \
  F(pool_trim, "cuMemPoolTrimTo", (Pool, size_t))                                                  \
  F(pool_allocate, "cuMemAllocFromPoolAsync", (DeviceAddress*, size_t, Pool, Stream))              \
  F(pool_free, "cuMemFreeAsync", (DeviceAddress, Stream))                                          \
  F(host_allocate, "cuMemHostAlloc", (void**, size_t, unsigned))                                   \
  F(host_free, "cuMemFreeHost", (void*))                                                           \
  F(pointer_attribute, "cuPointerGetAttribute", (void*, int, DeviceAddress))

// What a driver may lack: nullptr then.
#define VATTN_CUDA_OPTIONAL_FUNCTIONS(F) \
  F(stream_wait_value, "cuStreamWaitValue32_v2", (Stream, DeviceAddress, uint32_t, unsigned))

struct Api {
#define VATTN_CUDA_MEMBER(name, symbol, parameters) Result(*name) parameters = nullptr;
  VATTN_CUDA_FUNCTIONS(VATTN_CUDA_MEMBER)
  VATTN_CUDA_OPTIONAL_FUNCTIONS(VATTN_CUDA_MEMBER)
#undef VATTN_CUDA_MEMBER
};

// The driver of this machine, initialised; loaded once per process and never unloaded. nullptr when
// there is none that can be used: *why says so in words, with the remedy.
const Api* GetApi(std::string* why);

// "13.0", of a version as the driver tells it.
std::string VersionText(int version);

}  // namespace vattention::cuda

#endif  // VATTENTION_NATIVE_MEMORY_CUDA_API_H_
