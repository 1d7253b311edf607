// One launch of FlashInfer's paged attention kernels: the form of upstream's parameters, without
// its headers, which only nvcc reads.
#ifndef VATTENTION_ATTENTION_FLASHINFER_LAUNCH_H_
#define VATTENTION_ATTENTION_FLASHINFER_LAUNCH_H_

#include <cstdint>

#include "attention/cuda/head_scale.h"
#include "attention/cuda/layer_call.h"

namespace vattention::flashinfer {

// One of the cache's two tensors, [page, token, head, dim]. Strides in elements.
struct PagedRows {
  void* data;
  int64_t page_stride;
  int64_t token_stride;
  int64_t head_stride;
};

inline bool SameStrides(const PagedRows& a, const PagedRows& b) {
  return a.page_stride == b.page_stride && a.token_stride == b.token_stride &&
         a.head_stride == b.head_stride;
}

struct Launch {
  int32_t dtype;  // of query and output
  int32_t cache_dtype;
  int32_t head_dim;
  int32_t query_heads;
  int32_t kv_heads;
  int32_t sequences;
  int32_t rows;  // of all sequences
  bool causal;   // bottom-right aligned
  float scale;
  int32_t window;      // tokens visible, self included; 0: all
  float soft_cap;      // 0: none
  const float* alibi;  // [query_heads], or NULL

  attention::cuda::RowTensor query;   // [rows, query_heads, head_dim]
  attention::cuda::RowTensor output;  // likewise, without gaps
  float* lse;                         // [rows, query_heads] of base 2, or NULL
  PagedRows key;
  PagedRows value;
  int32_t page_tokens;

  // On the device.
  const int32_t* query_start;       // [sequences + 1]
  const int32_t* page_start;        // [sequences + 1]: first of each sequence's entries of `page`
  const int32_t* last_page_tokens;  // [sequences]: 1 to page_tokens
  const int32_t* page;              // indices

  // Of an e4m3 cache.
  attention::cuda::HeadScale key_scale;
  attention::cuda::HeadScale value_scale;
  const int32_t* slot;  // [sequences]: their row of scales
};

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_LAUNCH_H_
