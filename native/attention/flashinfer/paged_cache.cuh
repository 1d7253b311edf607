// A cache in the form of FlashInfer's kernels.
#ifndef VATTENTION_ATTENTION_FLASHINFER_PAGED_CACHE_CUH_
#define VATTENTION_ATTENTION_FLASHINFER_PAGED_CACHE_CUH_

#include <flashinfer/page.cuh>

#include "attention/flashinfer/launch.h"

namespace vattention::flashinfer {

template <typename Element>
::flashinfer::paged_kv_t<Element, int32_t> MakePagedCache(const Launch& launch) {
  const int64_t key[] = {launch.key.page_stride, launch.key.token_stride, launch.key.head_stride};
  const int64_t value[] = {launch.value.page_stride, launch.value.token_stride,
                           launch.value.head_stride};
  return {static_cast<uint32_t>(launch.kv_heads),
          static_cast<uint32_t>(launch.page_tokens),
          static_cast<uint32_t>(launch.head_dim),
          static_cast<uint32_t>(launch.sequences),
          ::flashinfer::QKVLayout::kNHD,
          static_cast<Element*>(launch.key.data),
          static_cast<Element*>(launch.value.data),
          key,
          value,
          const_cast<int32_t*>(launch.page),
          const_cast<int32_t*>(launch.page_start),
          const_cast<int32_t*>(launch.last_page_tokens)};
}

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_PAGED_CACHE_CUH_
