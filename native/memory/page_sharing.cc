// The C ABI of page_export.h.
#include <cstring>
#include <memory>
#include <utility>

#include "memory/page_export.h"
#include "memory/page_import.h"
#include "memory/sharing.h"

using namespace vattention;          // NOLINT: this file is the C side of these namespaces
using namespace vattention::memory;  // NOLINT

vattn_status vattn_export_pages(vattn_cache* cache, const vattn_sequence* sequences,
                                const uint32_t* lengths, int32_t count, int32_t writable,
                                vattn_page_export** pages, vattn_fence** ready,
                                vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (pages == nullptr) {
      return Status::InvalidArgument("expected a place for the export, received NULL.");
    }
    std::unique_ptr<PageExport> made;
    FencePtr written;
    if (Status status = PageExport::Create(ContiguousCache::Of(cache), sequences, lengths, count,
                                           writable != 0, &made, &written);
        !status.ok()) {
      return status;
    }
    if (ready != nullptr) {
      *ready = MakeFenceHandle(std::move(written));
    } else if (written != nullptr) {
      written->WaitOnHost();
    }
    *pages = made.release()->handle();
    return {};
  });
}

const vattn_page_manifest* vattn_export_manifest(const vattn_page_export* pages) {
  return PageExport::Of(pages)->manifest();
}

const int32_t* vattn_export_files(const vattn_page_export* pages) {
  return PageExport::Of(pages)->files();
}

void vattn_export_release(vattn_page_export* pages) { delete PageExport::Of(pages); }

vattn_status vattn_exported_bytes(vattn_cache* cache, uint64_t* bytes, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (bytes == nullptr) {
      return Status::InvalidArgument("expected a place for a number of bytes, received NULL.");
    }
    CacheCore* core = ContiguousCache::Of(cache)->core();
    Lock lock(core->mutex);
    if (Status status = core->CheckOpen(); !status.ok()) return status;
    *bytes = RetainedForExports(*core);
    return {};
  });
}

vattn_status vattn_import_pages(const vattn_page_manifest* manifest, const int32_t* files,
                                int32_t writable, vattn_page_import** pages, vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (manifest == nullptr || pages == nullptr) {
      return Status::InvalidArgument(
          "expected a manifest and a place for the import, received NULL.");
    }
    std::unique_ptr<PageImport> made;
    Status status = PageImport::Create(ReadSized(manifest), files, writable != 0, &made);
    if (status.ok()) *pages = made.release()->handle();
    return status;
  });
}

vattn_status vattn_import_view(vattn_page_import* pages, vattn_cache_view* view,
                               vattn_error* error) {
  return Guard(error, [&]() -> Status {
    if (view == nullptr) return Status::InvalidArgument("expected a view to fill, received NULL.");
    WriteSized(PageImport::Of(pages)->view(), view);
    return {};
  });
}

void vattn_import_release(vattn_page_import* pages) { delete PageImport::Of(pages); }
