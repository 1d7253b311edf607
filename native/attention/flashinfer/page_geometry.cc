#include "attention/flashinfer/page_geometry.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "attention/common/error.h"

namespace vattention::flashinfer {

using attention::Fail;
using attention::Problem;

namespace {

constexpr int64_t kMaxStride = std::numeric_limits<uint32_t>::max();
constexpr int64_t kMaxIndex = std::numeric_limits<int32_t>::max();
// Of the kernels' vector loads, in bytes.
constexpr int64_t kAlignment = 16;

bool SameStrides(const vattn_tensor& a, const vattn_tensor& b) {
  return std::equal(a.stride, a.stride + 3, b.stride) && a.shape[0] == b.shape[0];
}

vattn_status CheckTensor(const char* name, int32_t layer, const vattn_tensor& tensor, bool paged,
                         vattn_error* error) {
  const int64_t bytes = attention::ElementBytes(tensor.dtype);
  const auto address = reinterpret_cast<uintptr_t>(tensor.data);
  const bool aligned = address % kAlignment == 0 &&
                       std::all_of(tensor.stride, tensor.stride + 3, [bytes](int64_t stride) {
                         return stride * bytes % kAlignment == 0;
                       });
  if (!aligned || tensor.stride[0] <= 0 || tensor.stride[1] <= 0 || tensor.stride[2] < 0) {
    return Fail(error, VATTN_UNSUPPORTED,
                "The cache's %s tensor of layer %d: an address and positive strides that are "
                "multiples of 16 bytes required, found address %p and strides of %lld, %lld and "
                "%lld elements.",
                name, layer, tensor.data, static_cast<long long>(tensor.stride[0]),
                static_cast<long long>(tensor.stride[1]), static_cast<long long>(tensor.stride[2]));
  }
  const int64_t page = paged ? tensor.stride[0] : 0;
  const int64_t longest = std::max({page, tensor.stride[1], tensor.stride[2]});
  if (longest > kMaxStride) {
    return Fail(error, VATTN_UNSUPPORTED,
                "The cache's %s tensor of layer %d: FlashInfer's strides have 32 bits, so at most "
                "%lld elements required between two blocks, tokens or heads, found %lld.",
                name, layer, static_cast<long long>(kMaxStride), static_cast<long long>(longest));
  }
  return VATTN_OK;
}

// Slots of a contiguous tensor as steps of indices, and the elements from one index to the next.
PageSteps StepsOf(const vattn_tensor& tensor, int64_t* page_stride) {
  const int64_t page = kPageTokens * tensor.stride[1];
  int64_t unit = std::gcd(page, tensor.stride[0]);
  // A row of more than 2^25 elements: half a page is found as well as a whole one.
  while (unit > kMaxStride && unit % 2 == 0) unit /= 2;
  *page_stride = unit;
  const auto steps = [unit](int64_t elements) {
    return static_cast<int32_t>(std::min(elements / unit, kMaxIndex));
  };
  return {steps(tensor.stride[0]), steps(page)};
}

vattn_status Contiguous(int32_t layer, const vattn_tensor& key, const vattn_tensor& value,
                        PageGeometry* geometry, PageSteps* steps, vattn_error* error) {
  *steps = StepsOf(key, &geometry->key_page_stride);
  if (*steps != StepsOf(value, &geometry->value_page_stride)) {
    return Fail(error, VATTN_UNSUPPORTED,
                "Keys and values of layer %d: as many rows from one slot to the next required of "
                "both, found strides of %lld and %lld elements between slots, %lld and %lld "
                "between tokens.",
                layer, static_cast<long long>(key.stride[0]),
                static_cast<long long>(value.stride[0]), static_cast<long long>(key.stride[1]),
                static_cast<long long>(value.stride[1]));
  }
  const int64_t pages = (key.shape[1] + kPageTokens - 1) / kPageTokens;
  const int64_t last = (key.shape[0] - 1) * steps->slot + (pages - 1) * steps->page;
  if (last > kMaxIndex ||
      std::max(geometry->key_page_stride, geometry->value_page_stride) > kMaxStride) {
    return Fail(error, VATTN_UNSUPPORTED,
                "FlashInfer finds pages by 32-bit indices and strides: %lld slots of %lld tokens, "
                "%lld elements from one slot to the next and %lld from one token to the next are "
                "too many. Lower the cache's maxSequences or maxLength.",
                static_cast<long long>(key.shape[0]), static_cast<long long>(key.shape[1]),
                static_cast<long long>(key.stride[0]), static_cast<long long>(key.stride[1]));
  }
  return VATTN_OK;
}

}  // namespace

vattn_status MakeCacheGeometry(const Problem& problem, const vattn_cache_view& view,
                               CacheGeometry* geometry, vattn_error* error) {
  const bool paged = problem.cache_kind == VATTN_PAGED;
  geometry->layers.clear();
  geometry->steps.clear();
  geometry->same_strides = true;
  for (int32_t layer = 0; layer < problem.shape.layers; ++layer) {
    const vattn_tensor& key = view.key[layer];
    const vattn_tensor& value = view.value[layer];
    if (vattn_status status = CheckTensor("key", layer, key, paged, error)) return status;
    if (vattn_status status = CheckTensor("value", layer, value, paged, error)) return status;
    geometry->same_strides = geometry->same_strides && SameStrides(key, value);
    PageGeometry made{key.stride[0], value.stride[0], 0};
    PageSteps steps{};
    if (!paged) {
      // Most layers are like the one before.
      if (layer > 0 && SameStrides(key, view.key[layer - 1]) &&
          SameStrides(value, view.value[layer - 1])) {
        geometry->layers.push_back(geometry->layers.back());
        continue;
      }
      if (vattn_status status = Contiguous(layer, key, value, &made, &steps, error)) return status;
    }
    const auto found = std::find(geometry->steps.begin(), geometry->steps.end(), steps);
    made.steps = static_cast<size_t>(found - geometry->steps.begin());
    if (found == geometry->steps.end()) geometry->steps.push_back(steps);
    geometry->layers.push_back(made);
  }
  return VATTN_OK;
}

}  // namespace vattention::flashinfer
