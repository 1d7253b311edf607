#include "cuda_devices.h"

#include <chrono>

#include "environment.h"
#include "memory/cuda_identity.h"
#include "memory/status.h"
#include "node/args.h"

namespace vattention::core {
namespace {

using node::ErrorRecord;

[[noreturn]] void Throw(Napi::Env env, const Status& status) {
  ErrorRecord error;
  throw node::MakeError(env, Report(status, &error), error);
}

// What tensors of this environment have given up counts as free, though it leaves in its own time.
constexpr std::chrono::milliseconds kPatience{100};

cuda::MemoryInfo MemoryNow(Napi::Env env, int index) {
  if (const auto used = Environment::Of(env).devices.Find(index)) used->Reap(kPatience);
  return cuda::MemoryOf(index);
}

}  // namespace

void CheckDriver(Napi::Env env, const DriverStatus& status, const std::string& doing) {
  if (!status.ok()) Throw(env, Status::OfDriver(status, doing));
}

std::shared_ptr<CudaDevice> CudaDevices::Find(int index) const {
  const auto found = devices_.find(index);
  return found == devices_.end() ? nullptr : found->second;
}

std::shared_ptr<CudaDevice> CudaDevices::Get(Napi::Env env, int index) {
  if (auto device = Find(index)) return device;
  std::string why;
  auto context = CudaContext::Make(index, &why);
  if (context == nullptr) Throw(env, Status::Error(VATTN_UNSUPPORTED, why));
  std::shared_ptr<CudaDevice> device;
  CheckDriver(env, CudaDevice::Make(std::move(context), use_, watcher_, &device),
              "opening a CUDA device");
  use_->devices[index] = device;
  devices_[index] = device;
  return device;
}

std::shared_ptr<CudaStream> CudaDevices::MakeStream(Napi::Env env, int index, bool urgent) {
  std::shared_ptr<CudaStream> stream;
  CheckDriver(env, CudaStream::Make(Get(env, index), use_, urgent, &stream), "making a stream");
  return stream;
}

std::shared_ptr<CudaStream> CudaDevices::FindStream(const vattn_stream& stream) const {
  if (stream.device_type != VATTN_DEVICE_CUDA) return nullptr;
  for (CudaStream* made : use_->streams) {
    if (made->device().index() == stream.device_index && made->handle() == cuda::StreamOf(stream)) {
      return made->shared_from_this();
    }
  }
  return nullptr;
}

void CudaDevices::NoteWork(const vattn_stream& stream) {
  const auto of_stream = Find(stream.device_index);
  if (of_stream == nullptr || FindStream(stream) != nullptr) return;
  for (const auto& [index, device] : devices_) {
    // A stream that is being captured does nothing yet.
    static_cast<void>(device->LeaveAfter(of_stream->context(), cuda::StreamOf(stream)));
  }
}

void CudaDevices::CheckNotCapturing(Napi::Env env, int index, const char* doing) const {
  const auto device = Find(index);
  if (device == nullptr || !device->capturing()) return;
  CheckDriver(env, {VATTN_BUSY, "", 0}, doing);
}

Napi::Value ListDevices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  Napi::Array list = Napi::Array::New(env);
  std::string why;
  const auto identities = cuda::ListDevices(&why);
  for (size_t i = 0; i < identities.size(); ++i) {
    const cuda::Identity& identity = identities[i];
    const cuda::MemoryInfo memory = MemoryNow(env, identity.index);
    Napi::Object device = Napi::Object::New(env);
    device.Set("index", identity.index);
    device.Set("name", identity.name);
    device.Set("uuid", cuda::TextOf(identity.uuid));
    device.Set("computeCapability",
               std::to_string(identity.major) + "." + std::to_string(identity.minor));
    device.Set("totalBytes", static_cast<double>(memory.total_bytes));
    device.Set("freeBytes", static_cast<double>(memory.free_bytes));
    device.Set("unusable", memory.why);
    list.Set(static_cast<uint32_t>(i), device);
  }
  result.Set("devices", list);
  result.Set("driverVersion", cuda::DriverVersion());
  result.Set("reason", why);
  return result;
}

Napi::Value DeviceMemoryInfo(const Napi::CallbackInfo& info) {
  const cuda::MemoryInfo memory = MemoryNow(info.Env(), node::Integer<int>(info[0]));
  if (!memory.why.empty()) Throw(info.Env(), Status::Error(VATTN_UNSUPPORTED, memory.why));
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("totalBytes", static_cast<double>(memory.total_bytes));
  result.Set("freeBytes", static_cast<double>(memory.free_bytes));
  return result;
}

}  // namespace vattention::core
