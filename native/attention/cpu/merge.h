// Combining partial results over disjoint keys.
#ifndef VATTENTION_ATTENTION_CPU_MERGE_H_
#define VATTENTION_ATTENTION_CPU_MERGE_H_

#include "vattention/attention.h"

namespace vattention::cpu {

// As `merge` of vattn_backend. Outputs may be of different dtypes.
vattn_status MergePartialResults(const vattn_partial* partials, int32_t count,
                                 const vattn_tensor* output, const vattn_tensor* lse,
                                 vattn_error* error);

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_MERGE_H_
