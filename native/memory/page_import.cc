#include "memory/page_import.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "memory/cache_config.h"
#include "memory/cuda_identity.h"
#include "memory/devices.h"

namespace vattention::memory {
namespace {

Status Contradiction(const std::string& what) {
  return Status::InvalidArgument("the manifest of exported pages contradicts itself: ", what, ".");
}

// *sum is what it was when this is false.
bool Add(uint64_t value, uint64_t* sum) { return !__builtin_add_overflow(*sum, value, sum); }

// Whether every element lies in the first `elements` of the reservation.
bool IsInside(const vattn_exported_tensor& tensor, uint64_t elements) {
  if (tensor.offset < 0) return false;
  auto last = static_cast<uint64_t>(tensor.offset);
  for (int i = 0; i < 4; ++i) {
    if (tensor.shape[i] < 0 || tensor.stride[i] < 0) return false;
    if (tensor.shape[i] == 0) return true;
    uint64_t distance;
    if (__builtin_mul_overflow(static_cast<uint64_t>(tensor.shape[i] - 1),
                               static_cast<uint64_t>(tensor.stride[i]), &distance) ||
        !Add(distance, &last)) {
      return false;
    }
  }
  return last < elements;
}

Status CheckTensors(const vattn_page_manifest& manifest, uint64_t elements) {
  for (int32_t layer = 0; layer < manifest.layers; ++layer) {
    const vattn_exported_tensor& key = manifest.key[layer];
    const vattn_exported_tensor& value = manifest.value[layer];
    for (const vattn_exported_tensor* tensor : {&key, &value}) {
      if (tensor->shape[0] != manifest.sequences || !IsInside(*tensor, elements)) {
        return Contradiction("layer " + std::to_string(layer) +
                             " does not lie in the ranges of the sequences");
      }
    }
    const bool same = std::equal(key.shape, key.shape + 3, value.shape) &&
                      std::equal(key.shape, key.shape + 4, manifest.key[0].shape) &&
                      value.shape[3] == manifest.value[0].shape[3];
    if (!same) return Contradiction("layers are of different shapes");
  }
  return {};
}

Status CheckPages(const vattn_page_manifest& manifest, uint64_t granularity) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (int32_t i = 0; i < manifest.pages; ++i) {
    const vattn_exported_page& page = manifest.page[i];
    const std::string name = "page " + std::to_string(i);
    if (page.sequence < 0 || page.sequence >= manifest.sequences || page.file < 0 ||
        page.file >= manifest.files) {
      return Contradiction(name + " is of no sequence, or in no file");
    }
    if (page.bytes == 0 || page.bytes % granularity != 0 || page.offset % granularity != 0 ||
        page.file_offset % granularity != 0) {
      return Contradiction(name + " is no multiple of " + std::to_string(granularity) + " bytes");
    }
    if (page.offset > manifest.sequence_bytes ||
        page.bytes > manifest.sequence_bytes - page.offset) {
      return Contradiction(name + " lies outside the range of its sequence");
    }
    const uint64_t at =
        static_cast<uint64_t>(page.sequence) * manifest.sequence_bytes + page.offset;
    ranges.emplace_back(at, at + page.bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) return Contradiction("pages overlap");
  }
  return {};
}

// What can be told without a device.
Status CheckHead(const vattn_page_manifest& manifest, const int32_t* files, bool writable) {
  if (manifest.version != VATTN_PAGE_MANIFEST_VERSION) {
    return Status::InvalidArgument("expected a manifest of version ", VATTN_PAGE_MANIFEST_VERSION,
                                   ", received ", manifest.version,
                                   "; use the same version on both sides.");
  }
  if (writable && manifest.writable == 0) {
    return Status::InvalidArgument(
        "expected an export that may be written to, received one that was made to be read.");
  }
  if (manifest.layers < 1 || manifest.sequences < 1 || manifest.pages < 0 || manifest.files < 0 ||
      manifest.length == nullptr || manifest.key == nullptr || manifest.value == nullptr ||
      (manifest.pages > 0 && manifest.page == nullptr) ||
      (manifest.files > 0 && files == nullptr) || ElementBytes(manifest.dtype) == 0) {
    return Contradiction("there are no layers, no sequences, no dtype, or arrays are missing");
  }
  return {};
}

}  // namespace

Status PageImport::Create(const vattn_page_manifest& manifest, const int32_t* files, bool writable,
                          std::unique_ptr<PageImport>* pages) {
  if (Status status = CheckHead(manifest, files, writable); !status.ok()) return status;
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
  const DriverLimits& limits = driver->limits();
  const auto sequences = static_cast<uint64_t>(manifest.sequences);
  if (manifest.sequence_bytes == 0 || manifest.sequence_bytes % limits.granularity != 0 ||
      manifest.sequence_bytes > limits.max_reservation / sequences) {
    return Contradiction("ranges of " + std::to_string(manifest.sequence_bytes) +
                         " bytes are not possible");
  }
  const uint64_t elements = sequences * manifest.sequence_bytes / ElementBytes(manifest.dtype);
  if (Status status = CheckTensors(manifest, elements); !status.ok()) return status;
  if (Status status = CheckPages(manifest, limits.granularity); !status.ok()) return status;

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
