// Which GPUs there are, and which is which.
#ifndef VATTENTION_NATIVE_MEMORY_CUDA_IDENTITY_H_
#define VATTENTION_NATIVE_MEMORY_CUDA_IDENTITY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "memory/cuda_api.h"

namespace vattention::cuda {

struct Identity {
  int index;  // CUDA's device number in this process
  std::string name;
  Uuid uuid;  // the same in every process
  int major;  // compute capability
  int minor;
};

// All that the driver shows to this process. When there are none, *why says why, in words.
std::vector<Identity> ListDevices(std::string* why);

struct MemoryInfo {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;
  std::string why;  // the device cannot be used; empty when it can
};

// Asks a device, which is opened for it when nobody has it open.
MemoryInfo MemoryOf(int index);

// "13.0": the CUDA version that the driver is for; empty without one.
std::string DriverVersion();

// The device's number in this process, -1 when it is not here.
int IndexOf(const Uuid& uuid);
// False when there is no such device.
bool FindUuid(int index, Uuid* uuid);
// "GPU-01234567-89ab-cdef-0123-456789abcdef", as NVIDIA's tools write it.
std::string TextOf(const Uuid& uuid);

}  // namespace vattention::cuda

#endif  // VATTENTION_NATIVE_MEMORY_CUDA_IDENTITY_H_
