// Whether partial results can be merged.
#ifndef VATTENTION_ATTENTION_COMMON_MERGE_CHECK_H_
#define VATTENTION_ATTENTION_COMMON_MERGE_CHECK_H_

#include "attention/common/tensor_check.h"
#include "vattention/attention.h"

namespace vattention::attention {

// Tensors on `device`, of the shapes and dtypes that `vattn_backend.merge` takes; `lse` may be
// NULL.
vattn_status CheckMerge(const Device& device, const vattn_partial* partials, int32_t count,
                        const vattn_tensor* output, const vattn_tensor* lse, vattn_error* error);

}  // namespace vattention::attention

#endif  // VATTENTION_ATTENTION_COMMON_MERGE_CHECK_H_
