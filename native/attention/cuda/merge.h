// Partial results over disjoint keys into one, exactly:
// lse = log(sum exp(lse_j)), output = sum output_j * exp(lse_j - lse).
#ifndef VATTENTION_ATTENTION_CUDA_MERGE_H_
#define VATTENTION_ATTENTION_CUDA_MERGE_H_

#include "vattention/attention.h"

namespace vattention::attention::cuda {

// vattn_backend.merge on the output's device, enqueued on `stream`. Any number of partials.
vattn_status MergePartialResults(const vattn_partial* partials, int32_t count,
                                 const vattn_tensor* output, const vattn_tensor* lse,
                                 vattn_stream stream, vattn_error* error);

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_MERGE_H_
