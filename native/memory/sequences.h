// The life of a sequence but for `step`: allocate, truncate, slide, free, and where it lies.
#ifndef VATTENTION_NATIVE_MEMORY_SEQUENCES_H_
#define VATTENTION_NATIVE_MEMORY_SEQUENCES_H_

#include <cstdint>

#include "memory/cache_core.h"

namespace vattention::memory {

// See vattn_cache_api for each. None of them makes a driver call but to record a fence; none moves
// memory.
Status Allocate(CacheCore* core, vattn_sequence* sequence);
Status Free(CacheCore* core, vattn_sequence handle, const vattn_fence* after);
Status Truncate(CacheCore* core, vattn_sequence handle, uint32_t length, const vattn_fence* after);
Status Slide(CacheCore* core, vattn_sequence handle, uint32_t first_token,
             const vattn_fence* after);
Status Resolve(CacheCore* core, const vattn_sequence* sequences, int32_t count, vattn_rows* rows);

// With the lock: a handle for a new sequence, or VATTN_NO_SLOT.
Status NewSequence(CacheCore* core, vattn_sequence* handle, uint32_t* index);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_SEQUENCES_H_
