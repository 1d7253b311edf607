// A cache as FlashInfer's kernels see it: pages of a fixed number of tokens, found by 32-bit
// indices times a 32-bit stride.
//
// A paged cache is that: its blocks. A contiguous one becomes it by arithmetic:
//
//   slot 0                        slot 1
//   | page | page | page | ...    | page | page | ...      a page: kPageTokens rows
//   0      2      4               7      9                 its index, times page_stride elements
//
// where page_stride divides both the elements of a page and those from one slot to the next: here
// page_step is 2 and slot_step 7. Slots need not be whole numbers of pages.
#ifndef VATTENTION_ATTENTION_FLASHINFER_PAGE_GEOMETRY_H_
#define VATTENTION_ATTENTION_FLASHINFER_PAGE_GEOMETRY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "attention/common/problem.h"
#include "vattention/attention.h"

namespace vattention::flashinfer {

// Of a contiguous cache's pages. FlashInfer divides keys at pages, and into parts of at least 128
// tokens: longer pages divide less evenly, shorter ones only need more indices.
inline constexpr int32_t kPageTokens = 128;

// Indices of a contiguous cache's pages; both 0 of a paged cache, whose indices are its blocks.
struct PageSteps {
  int32_t slot;  // from one slot to the next
  int32_t page;  // from one page of a slot to the next
  bool operator==(const PageSteps&) const = default;
};

struct PageGeometry {
  int64_t key_page_stride;  // elements from one index to the next
  int64_t value_page_stride;
  size_t steps;  // its place in CacheGeometry::steps
};

// Of all layers. Layers whose rows differ in size (the last group of a layout in layer groups) have
// indices of their own.
struct CacheGeometry {
  std::vector<PageGeometry> layers;
  std::vector<PageSteps> steps;
  bool same_strides;  // of keys and values, in every layer
};

// Of a checked view. VATTN_UNSUPPORTED where strides are beyond what the kernels can address.
vattn_status MakeCacheGeometry(const attention::Problem& problem, const vattn_cache_view& view,
                               CacheGeometry* geometry, vattn_error* error);

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_PAGE_GEOMETRY_H_
