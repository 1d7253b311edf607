// Pages that another process has exported, mapped into this one. See
// include/vattention/page_export.h.
#ifndef VATTENTION_NATIVE_MEMORY_PAGE_IMPORT_H_
#define VATTENTION_NATIVE_MEMORY_PAGE_IMPORT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "memory/driver.h"
#include "memory/status.h"
#include "vattention/page_export.h"

namespace vattention::memory {

class PageImport {
 public:
  static Status Create(const vattn_page_manifest& manifest, const int32_t* files, bool writable,
                       std::unique_ptr<PageImport>* pages);
  ~PageImport();
  PageImport(const PageImport&) = delete;
  PageImport& operator=(const PageImport&) = delete;

  static PageImport* Of(vattn_page_import* handle) { return reinterpret_cast<PageImport*>(handle); }
  vattn_page_import* handle() { return reinterpret_cast<vattn_page_import*>(this); }

  vattn_cache_view view() const;

 private:
  explicit PageImport(std::unique_ptr<Driver> driver) : driver_(std::move(driver)) {}
  Status Map(const vattn_page_manifest& manifest, const int32_t* files, bool writable);
  void Describe(const vattn_page_manifest& manifest, int32_t device_index);

  const std::unique_ptr<Driver> driver_;
  uintptr_t base_ = 0;
  uint64_t bytes_ = 0;
  vattn_cache_shape shape_;
  std::vector<vattn_tensor> keys_;
  std::vector<vattn_tensor> values_;
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_PAGE_IMPORT_H_
