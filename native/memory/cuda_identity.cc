#include "memory/cuda_identity.h"

#include <algorithm>
#include <cstdio>

#include "memory/cuda_context.h"

namespace vattention::cuda {

std::vector<Identity> ListDevices(std::string* why) {
  std::vector<Identity> found;
  const Api* api = GetApi(why);
  if (api == nullptr) return found;
  int count = 0;
  api->device_count(&count);
  if (count == 0) {
    *why = "The CUDA driver shows no GPU to this process; CUDA_VISIBLE_DEVICES may hide them.";
  }
  for (int i = 0; i < count; ++i) {
    DeviceIndex device = 0;
    char name[256] = "";
    Identity identity{i, "", {}, 0, 0};
    if (api->device_get(&device, i) != kSuccess) continue;
    api->device_name(name, sizeof(name), device);
    identity.name = name;
    api->device_uuid(&identity.uuid, device);
    api->device_attribute(&identity.major, kAttributeMajor, device);
    api->device_attribute(&identity.minor, kAttributeMinor, device);
    found.push_back(std::move(identity));
  }
  return found;
}

MemoryInfo MemoryOf(int index) {
  MemoryInfo info;
  const auto context = CudaContext::Make(index, &info.why);
  if (context == nullptr) return info;
  const CudaContext::Scope scope(*context);
  size_t free = 0;
  size_t total = 0;
  if (const Result result = context->api().memory_info(&free, &total); result != kSuccess) {
    info.why = "The device answers with error " + std::to_string(result) + ".";
  }
  info.free_bytes = free;
  info.total_bytes = total;
  return info;
}

std::string DriverVersion() {
  const Api* api = GetApi(nullptr);
  int version = 0;
  if (api == nullptr || api->driver_version(&version) != kSuccess) return "";
  return VersionText(version);
}

int IndexOf(const Uuid& uuid) {
  std::string why;
  for (const Identity& identity : ListDevices(&why)) {
    if (std::equal(uuid.bytes, uuid.bytes + sizeof(uuid.bytes), identity.uuid.bytes)) {
      return identity.index;
    }
  }
  return -1;
}

bool FindUuid(int index, Uuid* uuid) {
  const Api* api = GetApi(nullptr);
  DeviceIndex device = 0;
  return api != nullptr && api->device_get(&device, index) == kSuccess &&
         api->device_uuid(uuid, device) == kSuccess;
}

std::string TextOf(const Uuid& uuid) {
  std::string text = "GPU";
  for (size_t i = 0; i < sizeof(uuid.bytes); ++i) {
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", uuid.bytes[i]);
    text += digits;
  }
  return text;
}

}  // namespace vattention::cuda
