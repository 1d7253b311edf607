#include "device_memory.h"

#include <string>

#include "environment.h"
#include "memory/status.h"
#include "node/args.h"

namespace vattention::core {
namespace {

// The error of an allocation, in words of the size that was asked for.
void CheckAllocated(Napi::Env env, const DriverStatus& status, size_t bytes) {
  if (status.status != VATTN_OUT_OF_MEMORY) return CheckDriver(env, status, "making a tensor");
  node::ErrorRecord error;
  const Status explained =
      Status::Error(VATTN_OUT_OF_MEMORY, "A tensor needs ", bytes,
                    " bytes that are not available. Make it smaller, or dispose others first.");
  Report(explained, &error);
  error.driver_code = status.code;
  throw node::MakeError(env, VATTN_OUT_OF_MEMORY, error);
}

}  // namespace

Napi::Function DeviceMemory::Define(Napi::Env env) {
  return DefineClass(env, "DeviceMemory",
                     {InstanceAccessor<&DeviceMemory::GetAddress>("address"),
                      InstanceMethod<&DeviceMemory::Release>("release")});
}

DeviceMemory::DeviceMemory(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DeviceMemory>(info) {
  const Napi::Env env = info.Env();
  const auto bytes = node::Integer<size_t>(info[0]);
  auto device = Environment::Of(env).devices.Get(env, node::Integer<int>(info[1]));
  CheckAllocated(env, device->Allocate(bytes, &address_), bytes);
  device_ = std::move(device);
}

void DeviceMemory::Free() {
  if (const auto device = std::exchange(device_, nullptr)) device->Free(address_);
}

Napi::Value DeviceMemory::GetAddress(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(address_));
}

Napi::Function PinnedMemory::Define(Napi::Env env) {
  return DefineClass(env, "PinnedMemory",
                     {InstanceAccessor<&PinnedMemory::GetAddress>("address"),
                      InstanceMethod<&PinnedMemory::Release>("release")});
}

PinnedMemory::PinnedMemory(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PinnedMemory>(info) {
  const Napi::Env env = info.Env();
  bytes_ = node::Integer<size_t>(info[0]);
  auto device = Environment::Of(env).devices.Get(env, node::Integer<int>(info[1]));
  CheckAllocated(env, device->AllocatePinned(bytes_, &address_), bytes_);
  device_ = std::move(device);
  Napi::MemoryManagement::AdjustExternalMemory(env, static_cast<int64_t>(bytes_));
}

void PinnedMemory::Free(Napi::Env env) {
  const auto device = std::exchange(device_, nullptr);
  if (device == nullptr) return;
  device->FreePinned(address_);
  Napi::MemoryManagement::AdjustExternalMemory(env, -static_cast<int64_t>(bytes_));
}

Napi::Value PinnedMemory::GetAddress(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(),
                           static_cast<uint64_t>(reinterpret_cast<uintptr_t>(address_)));
}

}  // namespace vattention::core
