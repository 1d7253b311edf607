#include "attention/cuda/devices.h"

#include <cuda_runtime_api.h>

namespace vattention::attention::cuda {

namespace {

// 13000 is 13.0.
std::string Version(int number) {
  if (number == 0) return "";
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) continue;
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::string Reason(cudaError_t code, int driver, int runtime) {
  if (code == cudaErrorInsufficientDriver && driver == 0) {
    return "no NVIDIA driver is installed (libcuda.so.1 cannot be loaded)";
  }
  if (code == cudaErrorInsufficientDriver) {
    return "the NVIDIA driver supports CUDA " + Version(driver) + ", this build needs CUDA " +
           Version(runtime) + ": install a newer driver";
  }
  if (code == cudaErrorNoDevice) {
    return "the NVIDIA driver sees no GPU (CUDA_VISIBLE_DEVICES may hide it)";
  }
  return std::string(cudaGetErrorString(code)) + " (" + cudaGetErrorName(code) + ")";
}

// One device, or the code of the call that failed.
cudaError_t Describe(int index, std::string* text) {
  cudaDeviceProp properties;
  if (const cudaError_t code = cudaGetDeviceProperties(&properties, index); code != cudaSuccess) {
    return code;
  }
  *text = "{\"name\":" + Quoted(properties.name) + ",\"computeCapability\":\"" +
          std::to_string(properties.major) + "." + std::to_string(properties.minor) +
          "\",\"memoryBytes\":" + std::to_string(properties.totalGlobalMem) +
          ",\"multiprocessors\":" + std::to_string(properties.multiProcessorCount) + "}";
  return cudaSuccess;
}

}  // namespace

std::string DescribeDevices() {
  int driver = 0;
  int runtime = 0;
  int count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const char* call = "cudaGetDeviceCount";
  cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaSuccess && count == 0) code = cudaErrorNoDevice;
  std::string devices;
  for (int i = 0; i < count && code == cudaSuccess; ++i) {
    std::string device;
    call = "cudaGetDeviceProperties";
    code = Describe(i, &device);
    devices += (i == 0 ? "" : ",") + device;
  }
  const std::string versions = "{\"driver\":\"" + Version(driver) + "\",\"runtime\":\"" +
                               Version(runtime) + "\",\"devices\":[";
  if (code == cudaSuccess) return versions + devices + "]}";
  (void)cudaGetLastError();  // an error that is left lying is found by the next launch
  return versions + "],\"failed\":{\"call\":\"" + call +
         "\",\"code\":" + std::to_string(static_cast<int>(code)) +
         ",\"reason\":" + Quoted(Reason(code, driver, runtime)) + "}}";
}

}  // namespace vattention::attention::cuda
