#include "memory/cuda_api.h"

#include <dlfcn.h>

namespace vattention::cuda {
namespace {

// The first driver with everything that is called here (cuda 12.0's needs are the same).
constexpr int kOldestDriver = 11040;

struct Loaded {
  Api api;
  bool usable = false;
  std::string why;
};

std::string NameOf(const Api& api, Result result) {
  const char* name = nullptr;
  if (api.error_name(result, &name) == kSuccess && name != nullptr) return name;
  return "error " + std::to_string(result);
}

Loaded Load() {
  Loaded loaded;
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    loaded.why =
        "libcuda.so.1 was not found: install NVIDIA's driver, and in a container run it with the "
        "NVIDIA container toolkit.";
    return loaded;
  }
#define VATTN_CUDA_FIND(name, symbol, parameters)                                   \
  loaded.api.name = reinterpret_cast<Result(*) parameters>(dlsym(library, symbol)); \
  if (loaded.api.name == nullptr) {                                                 \
    loaded.why = "The CUDA driver has no " symbol ": it is too old.";               \
    return loaded;                                                                  \
  }
  VATTN_CUDA_FUNCTIONS(VATTN_CUDA_FIND)
#undef VATTN_CUDA_FIND
#define VATTN_CUDA_TRY(name, symbol, parameters) \
  loaded.api.name = reinterpret_cast<Result(*) parameters>(dlsym(library, symbol));
  VATTN_CUDA_OPTIONAL_FUNCTIONS(VATTN_CUDA_TRY)
#undef VATTN_CUDA_TRY
  const Api& api = loaded.api;
  if (const Result result = api.init(0); result != kSuccess) {
    loaded.why = "cuInit answered " + NameOf(api, result) + ": no GPU can be used.";
    return loaded;
  }
  int version = 0;
  api.driver_version(&version);
  if (version < kOldestDriver) {
    loaded.why = "The driver is for CUDA " + VersionText(version) + "; at least " +
                 VersionText(kOldestDriver) + " is needed.";
    return loaded;
  }
  loaded.usable = true;
  return loaded;
}

}  // namespace

std::string VersionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

const Api* GetApi(std::string* why) {
  static const Loaded loaded = Load();
  if (!loaded.usable && why != nullptr) *why = loaded.why;
  return loaded.usable ? &loaded.api : nullptr;
}

}  // namespace vattention::cuda
