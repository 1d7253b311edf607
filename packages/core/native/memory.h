// `Memory` in JavaScript: aligned, zeroed memory of the host that goes when nobody holds it.
#ifndef VATTENTION_CORE_MEMORY_H_
#define VATTENTION_CORE_MEMORY_H_

#include <napi.h>

#include <cstddef>

namespace vattention::core {

class Memory : public Napi::ObjectWrap<Memory> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (bytes, alignment): VATTN_OUT_OF_MEMORY when there is not so much.
  explicit Memory(const Napi::CallbackInfo& info);
  ~Memory() override;

 private:
  Napi::Value GetAddress(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo& info);
  void Free(Napi::Env env);

  void* address_ = nullptr;  // nullptr: released
  size_t bytes_ = 0;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_MEMORY_H_
