#include "memory/page_import.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "memory/cache_config.h"
#include "memory/cuda_identity.h"
#include "memory/devices.h"
#include "memory/manifest_check.h"

namespace vattention::memory {
namespace {

// Before anything is opened here, which would take the number of a descriptor that is closed.
Status CheckOpen(const vattn_page_manifest& manifest, const int32_t* files) {
  for (int32_t i = 0; i < manifest.files; ++i) {
    if (fcntl(files[i], F_GETFD) >= 0) continue;
    return Status::OfDriver({VATTN_DEVICE_ERROR, "fcntl(F_GETFD)", errno},
                            "looking at the files of exported pages");
  }
  return {};
}

}  // namespace

Status PageImport::Create(const vattn_page_manifest& manifest, const int32_t* files, bool writable,
                          std::unique_ptr<PageImport>* pages) {
  if (Status status = CheckManifestHead(manifest, files, writable); !status.ok()) return status;
  if (Status status = CheckOpen(manifest, files); !status.ok()) return status;
  int32_t index = manifest.device_index;
  if (manifest.device_type == VATTN_DEVICE_CUDA) {
    cuda::Uuid uuid;
    std::memcpy(uuid.bytes, manifest.device_uuid, sizeof(uuid.bytes));
    index = cuda::IndexOf(uuid);
    if (index < 0) {
      return Status::Error(VATTN_UNSUPPORTED, "the pages lie on ", cuda::TextOf(uuid),
                           ", which this process does not see.");
    }
  }
  std::unique_ptr<Driver> driver;
  if (Status status = MakeDriver(manifest.device_type, index, nullptr, &driver); !status.ok()) {
    return status;
  }
  if (Status status = CheckManifest(manifest, driver->limits()); !status.ok()) return status;

  std::unique_ptr<PageImport> made(new PageImport(std::move(driver)));
  if (Status status = made->Map(manifest, files, writable); !status.ok()) return status;
  made->Describe(manifest, index);
  *pages = std::move(made);
  return {};
}

PageImport::~PageImport() {
  // What is mapped goes with the address range.
  if (base_ != 0) static_cast<void>(driver_->FreeReservation(base_, bytes_));
}

Status PageImport::Map(const vattn_page_manifest& manifest, const int32_t* files, bool writable) {
  bytes_ = static_cast<uint64_t>(manifest.sequences) * manifest.sequence_bytes;
  if (DriverStatus status = driver_->Reserve(bytes_, &base_); !status.ok()) {
    base_ = 0;
    return Status::OfDriver(status, "reserving address space");
  }
  for (int32_t i = 0; i < manifest.pages; ++i) {
    const vattn_exported_page& page = manifest.page[i];
    const uintptr_t at =
        base_ + static_cast<uint64_t>(page.sequence) * manifest.sequence_bytes + page.offset;
    const DriverStatus status = driver_->MapExported(at, page.bytes, files[page.file],
                                                     page.file_offset, /*read_only=*/!writable);
    if (!status.ok()) return Status::OfDriver(status, "mapping exported pages");
  }
  return {};
}

void PageImport::Describe(const vattn_page_manifest& manifest, int32_t device_index) {
  const auto tensor = [&](const vattn_exported_tensor& exported) {
    vattn_tensor made;
    std::memset(&made, 0, sizeof(made));
    made.data = reinterpret_cast<void*>(base_ + static_cast<uint64_t>(exported.offset) *
                                                    ElementBytes(manifest.dtype));
    made.dtype = manifest.dtype;
    made.device_type = manifest.device_type;
    made.device_index = device_index;
    made.rank = 4;
    std::copy(exported.shape, exported.shape + 4, made.shape);
    std::copy(exported.stride, exported.stride + 4, made.stride);
    return made;
  };
  for (int32_t layer = 0; layer < manifest.layers; ++layer) {
    keys_.push_back(tensor(manifest.key[layer]));
    values_.push_back(tensor(manifest.value[layer]));
  }
  std::memset(&shape_, 0, sizeof(shape_));
  shape_.size = sizeof(shape_);
  shape_.layers = manifest.layers;
  shape_.kv_heads = static_cast<int32_t>(keys_.front().shape[2]);
  shape_.head_dim = static_cast<int32_t>(keys_.front().shape[3]);
  shape_.value_head_dim = static_cast<int32_t>(values_.front().shape[3]);
  shape_.dtype = manifest.dtype;
  shape_.max_sequences = manifest.sequences;
  shape_.max_length = keys_.front().shape[1];
}

vattn_cache_view PageImport::view() const {
  vattn_cache_view view;
  std::memset(&view, 0, sizeof(view));
  view.size = sizeof(view);
  view.kind = VATTN_CONTIGUOUS;
  view.shape = shape_;
  view.key = keys_.data();
  view.value = values_.data();
  return view;
}

}  // namespace vattention::memory
