// Manifests of exported pages as JavaScript has them: `NativeManifest` of src/addon.ts, arrays of
// numbers instead of an object for each page.
#ifndef VATTENTION_CORE_MANIFEST_NUMBERS_H_
#define VATTENTION_CORE_MANIFEST_NUMBERS_H_

#include <napi.h>

#include <cstdint>
#include <vector>

#include "vattention/page_export.h"

namespace vattention::core {

Napi::Object ToManifestNumbers(Napi::Env env, const vattn_page_manifest& manifest);

// A manifest out of JavaScript's numbers, with the arrays that it points to. TypeScript has checked
// that they are numbers of their kind, vattn_import_pages checks the rest.
class ManifestOfNumbers {
 public:
  ManifestOfNumbers(const Napi::Object& numbers, int32_t files);
  ManifestOfNumbers(const ManifestOfNumbers&) = delete;
  ManifestOfNumbers& operator=(const ManifestOfNumbers&) = delete;

  const vattn_page_manifest* get() const { return &manifest_; }

 private:
  vattn_page_manifest manifest_{};
  std::vector<uint32_t> lengths_;
  std::vector<vattn_exported_page> pages_;
  std::vector<vattn_exported_tensor> keys_;
  std::vector<vattn_exported_tensor> values_;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_MANIFEST_NUMBERS_H_
