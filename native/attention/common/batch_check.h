// Whether a batch can be attended to: its lengths, what is backed, slots and block tables.
#ifndef VATTENTION_ATTENTION_COMMON_BATCH_CHECK_H_
#define VATTENTION_ATTENTION_COMMON_BATCH_CHECK_H_

#include "attention/common/problem.h"
#include "vattention/attention.h"

namespace vattention::attention {

// `view` has been checked. VATTN_INVALID_ARGUMENT, VATTN_NOT_BACKED.
vattn_status CheckBatch(const Problem& problem, const vattn_cache_view& view,
                        const vattn_batch* batch, vattn_error* error);

}  // namespace vattention::attention

#endif  // VATTENTION_ATTENTION_COMMON_BATCH_CHECK_H_
