#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "node/args.h"

namespace vattention::core {
namespace {

// From here on memory comes from the system: zeroed by it, and gone from the process when freed.
constexpr size_t kMappedBytes = 1 << 20;

}  // namespace

Napi::Function Memory::Define(Napi::Env env) {
  return DefineClass(env, "Memory",
                     {InstanceAccessor<&Memory::GetAddress>("address"),
                      InstanceMethod<&Memory::Release>("release")});
}

Memory::Memory(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Memory>(info) {
  bytes_ = node::Integer<size_t>(info[0]);
  const auto alignment = node::Integer<size_t>(info[1]);
  int failure = 0;
  if (bytes_ >= kMappedBytes) {
    void* mapped =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
      failure = errno;
    } else {
      address_ = mapped;
    }
  } else {
    const size_t rounded = (std::max<size_t>(bytes_, 1) + alignment - 1) / alignment * alignment;
    address_ = std::aligned_alloc(alignment, rounded);
    if (address_ == nullptr) {
      failure = ENOMEM;
    } else {
      std::fill_n(static_cast<uint8_t*>(address_), rounded, uint8_t{0});
    }
  }
  if (address_ == nullptr) {
    node::ErrorRecord error;
    error.driver_code = failure;
    std::snprintf(error.message, sizeof(error.message),
                  "A tensor needs %zu bytes that are not available. Make it smaller, or dispose "
                  "others first.",
                  bytes_);
    throw node::MakeError(info.Env(), VATTN_OUT_OF_MEMORY, error);
  }
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), static_cast<int64_t>(bytes_));
}

Memory::~Memory() { Free(Env()); }

void Memory::Free(Napi::Env env) {
  if (address_ == nullptr) return;
  if (bytes_ >= kMappedBytes) {
    munmap(address_, bytes_);
  } else {
    std::free(address_);
  }
  address_ = nullptr;
  Napi::MemoryManagement::AdjustExternalMemory(env, -static_cast<int64_t>(bytes_));
}

Napi::Value Memory::GetAddress(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(),
                           static_cast<uint64_t>(reinterpret_cast<uintptr_t>(address_)));
}

void Memory::Release(const Napi::CallbackInfo& info) { Free(info.Env()); }

}  // namespace vattention::core
