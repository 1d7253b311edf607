#include "memory/manifest_check.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "memory/cache_config.h"

namespace vattention::memory {
namespace {

// Bytes [first, second) of the reservation.
using Range = std::pair<uint64_t, uint64_t>;

template <typename... Parts>
Status Contradiction(const Parts&... parts) {
  return Status::InvalidArgument("the manifest of exported pages contradicts itself: ", parts...,
                                 ".");
}

// *sum is what it was when this is false.
bool Add(uint64_t value, uint64_t* sum) { return !__builtin_add_overflow(*sum, value, sum); }

// Whether every element lies in the first `elements` of the reservation.
bool IsInside(const vattn_exported_tensor& tensor, uint64_t elements) {
  if (tensor.offset < 0) return false;
  auto last = static_cast<uint64_t>(tensor.offset);
  bool empty = false;
  for (int i = 0; i < 4; ++i) {
    if (tensor.shape[i] < 0 || tensor.stride[i] < 0) return false;
    if (tensor.shape[i] == 0) {
      empty = true;
      continue;
    }
    uint64_t distance;
    if (__builtin_mul_overflow(static_cast<uint64_t>(tensor.shape[i] - 1),
                               static_cast<uint64_t>(tensor.stride[i]), &distance) ||
        !Add(distance, &last)) {
      return false;
    }
  }
  return empty || last < elements;
}

Status CheckTensors(const vattn_page_manifest& manifest, uint64_t elements) {
  for (int32_t layer = 0; layer < manifest.layers; ++layer) {
    const vattn_exported_tensor& key = manifest.key[layer];
    const vattn_exported_tensor& value = manifest.value[layer];
    for (const vattn_exported_tensor* tensor : {&key, &value}) {
      if (tensor->shape[0] != manifest.sequences || !IsInside(*tensor, elements)) {
        return Contradiction("layer ", layer, " does not lie in the ranges of the sequences");
      }
    }
    const bool same = std::equal(key.shape, key.shape + 3, value.shape) &&
                      std::equal(key.shape, key.shape + 4, manifest.key[0].shape) &&
                      value.shape[3] == manifest.value[0].shape[3];
    if (!same) return Contradiction("layers are of different shapes");
  }
  for (int32_t i = 0; i < manifest.sequences; ++i) {
    if (manifest.length[i] > manifest.key[0].shape[1]) {
      return Contradiction("sequence ", i, " is longer than the tensors");
    }
  }
  return {};
}

// *backed: what has pages, in order, neighbours joined.
Status CheckPages(const vattn_page_manifest& manifest, uint64_t granularity,
                  std::vector<Range>* backed) {
  std::vector<Range> ranges;
  for (int32_t i = 0; i < manifest.pages; ++i) {
    const vattn_exported_page& page = manifest.page[i];
    if (page.sequence < 0 || page.sequence >= manifest.sequences || page.file < 0 ||
        page.file >= manifest.files) {
      return Contradiction("page ", i, " is of no sequence, or in no file");
    }
    if (page.bytes == 0 || page.bytes % granularity != 0 || page.offset % granularity != 0 ||
        page.file_offset % granularity != 0) {
      return Contradiction("page ", i, " is no multiple of ", granularity, " bytes");
    }
    if (page.offset > manifest.sequence_bytes ||
        page.bytes > manifest.sequence_bytes - page.offset) {
      return Contradiction("page ", i, " lies outside the range of its sequence");
    }
    const uint64_t at =
        static_cast<uint64_t>(page.sequence) * manifest.sequence_bytes + page.offset;
    ranges.emplace_back(at, at + page.bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  for (const Range& range : ranges) {
    if (!backed->empty() && range.first < backed->back().second) {
      return Contradiction("pages overlap");
    }
    if (!backed->empty() && range.first == backed->back().second) {
      backed->back().second = range.second;
    } else {
      backed->push_back(range);
    }
  }
  return {};
}

// Whoever reads a row without a page behind it ends the process, or poisons the device's context.
Status CheckRows(const vattn_page_manifest& manifest, const std::vector<Range>& backed) {
  const uint64_t element_bytes = ElementBytes(manifest.dtype);
  const auto is_backed = [&](const vattn_exported_tensor& tensor, int32_t sequence) {
    uint64_t first = static_cast<uint64_t>(tensor.offset + sequence * tensor.stride[0]);
    uint64_t last = first + static_cast<uint64_t>(manifest.length[sequence] - 1) *
                                static_cast<uint64_t>(tensor.stride[1]);
    for (int i = 2; i < 4; ++i) {
      if (tensor.shape[i] == 0) return true;
      last += static_cast<uint64_t>((tensor.shape[i] - 1) * tensor.stride[i]);
    }
    first *= element_bytes;
    const uint64_t end = (last + 1) * element_bytes;
    const auto after = std::upper_bound(backed.begin(), backed.end(), Range{first, ~uint64_t{0}});
    return after != backed.begin() && end <= std::prev(after)->second;
  };
  for (int32_t i = 0; i < manifest.sequences; ++i) {
    if (manifest.length[i] == 0) continue;
    for (int32_t layer = 0; layer < manifest.layers; ++layer) {
      if (!is_backed(manifest.key[layer], i) || !is_backed(manifest.value[layer], i)) {
        return Contradiction("rows of sequence ", i, " have no pages in layer ", layer);
      }
    }
  }
  return {};
}

}  // namespace

Status CheckManifestHead(const vattn_page_manifest& manifest, const int32_t* files, bool writable) {
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

Status CheckManifest(const vattn_page_manifest& manifest, const DriverLimits& limits) {
  const auto sequences = static_cast<uint64_t>(manifest.sequences);
  if (manifest.sequence_bytes == 0 || manifest.sequence_bytes % limits.granularity != 0 ||
      manifest.sequence_bytes > limits.max_reservation / sequences) {
    return Contradiction("ranges of ", manifest.sequence_bytes, " bytes are not possible");
  }
  const uint64_t elements = sequences * manifest.sequence_bytes / ElementBytes(manifest.dtype);
  if (Status status = CheckTensors(manifest, elements); !status.ok()) return status;
  std::vector<Range> backed;
  if (Status status = CheckPages(manifest, limits.granularity, &backed); !status.ok()) {
    return status;
  }
  return CheckRows(manifest, backed);
}

}  // namespace vattention::memory
