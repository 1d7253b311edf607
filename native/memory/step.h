// `step`: backing lengths of sequences, all or nothing.
#ifndef VATTENTION_NATIVE_MEMORY_STEP_H_
#define VATTENTION_NATIVE_MEMORY_STEP_H_

#include <cstdint>

#include "memory/cache_core.h"

namespace vattention::memory {

// See vattn_cache_api.step. When every sequence is ready for its length this takes the lock once,
// makes no driver call and allocates nothing.
Status Step(CacheCore* core, const vattn_sequence* sequences, const uint32_t* lengths,
            int32_t count, vattn_step_result* result);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_STEP_H_
