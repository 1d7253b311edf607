// `PageImport` in JavaScript: pages of another process, mapped into this one until it is released.
#ifndef VATTENTION_CORE_PAGE_IMPORT_H_
#define VATTENTION_CORE_PAGE_IMPORT_H_

#include <napi.h>

#include "vattention/page_export.h"

namespace vattention::core {

class PageImport : public Napi::ObjectWrap<PageImport> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (manifest as numbers, files, writable)
  explicit PageImport(const Napi::CallbackInfo& info);
  ~PageImport() override { Free(); }

 private:
  Napi::Value Addresses(const Napi::CallbackInfo& info);
  Napi::Value DeviceIndex(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo&) { Free(); }
  vattn_cache_view View(Napi::Env env) const;
  void Free();

  vattn_page_import* pages_ = nullptr;  // nullptr: released
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_PAGE_IMPORT_H_
