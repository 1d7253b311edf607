// Pages of a contiguous cache, held and described for other processes. See
// include/vattention/page_export.h.
#ifndef VATTENTION_NATIVE_MEMORY_PAGE_EXPORT_H_
#define VATTENTION_NATIVE_MEMORY_PAGE_EXPORT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "memory/contiguous_cache_impl.h"
#include "vattention/page_export.h"

namespace vattention::memory {

// Holds the pages by spans, which live on when the cache is closed, and a reference to the cache.
class PageExport {
 public:
  // `lengths` may be nullptr. *written: nullptr when there is nothing to wait for.
  static Status Create(ContiguousCache* cache, const vattn_sequence* sequences,
                       const uint32_t* lengths, int32_t count, bool writable,
                       std::unique_ptr<PageExport>* pages, FencePtr* written);
  ~PageExport();
  PageExport(const PageExport&) = delete;
  PageExport& operator=(const PageExport&) = delete;

  static const PageExport* Of(const vattn_page_export* handle) {
    return reinterpret_cast<const PageExport*>(handle);
  }
  vattn_page_export* handle() { return reinterpret_cast<vattn_page_export*>(this); }

  const vattn_page_manifest* manifest() const { return &manifest_; }
  const int32_t* files() const { return files_.data(); }

 private:
  explicit PageExport(ContiguousCache* cache);
  CacheCore* core() const { return cache_->core(); }
  Status HoldPages(const vattn_sequence* sequences, const uint32_t* lengths, int32_t count,
                   FencePtr* written);
  Status ExportPages(bool writable);
  void Describe(bool writable);

  ContiguousCache* const cache_;
  std::vector<vattn_span> spans_;
  std::vector<PageId> page_ids_;  // [pages_]
  std::vector<uint32_t> lengths_;
  std::vector<vattn_exported_page> pages_;
  std::vector<vattn_exported_tensor> keys_;
  std::vector<vattn_exported_tensor> values_;
  std::vector<int> files_;
  vattn_page_manifest manifest_;
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_PAGE_EXPORT_H_
