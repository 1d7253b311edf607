// `PageExport` in JavaScript: pages of a cache for other processes, held until it is released.
#ifndef VATTENTION_CORE_PAGE_EXPORT_H_
#define VATTENTION_CORE_PAGE_EXPORT_H_

#include <napi.h>

#include "vattention/page_export.h"

namespace vattention::core {

class PageExport : public Napi::ObjectWrap<PageExport> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (the cache's external, sequences, lengths or undefined, writable)
  explicit PageExport(const Napi::CallbackInfo& info);
  ~PageExport() override { Free(); }

 private:
  Napi::Value Manifest(const Napi::CallbackInfo& info);
  Napi::Value Files(const Napi::CallbackInfo& info);
  Napi::Value Ready(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo&) { Free(); }
  void Free();

  vattn_page_export* pages_ = nullptr;  // nullptr: released
  Napi::ObjectReference ready_;
};

// (the cache's external): bytes that exports alone retain.
Napi::Value ExportedBytes(const Napi::CallbackInfo& info);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_PAGE_EXPORT_H_
