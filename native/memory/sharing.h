// Sharing: forks, and spans of pages that outlive their sequence for the prefix index.
#ifndef VATTENTION_NATIVE_MEMORY_SHARING_H_
#define VATTENTION_NATIVE_MEMORY_SHARING_H_

#include <cstdint>

#include "memory/cache_core.h"

namespace vattention::memory {

// See vattn_cache_api.fork.
Status Fork(CacheCore* core, vattn_sequence source, uint32_t length, vattn_sequence* sequence);

// See contiguous_cache.h.
Status CreateSpan(CacheCore* core, vattn_sequence sequence, uint32_t from, uint32_t to,
                  bool exported, vattn_span* span);
Status ReleaseSpan(CacheCore* core, vattn_span span, uint64_t* freed_bytes);
// Bytes of pages that exports alone retain: nobody can evict them.
uint64_t RetainedForExports(const CacheCore& core);
Status AllocateShared(CacheCore* core, const vattn_span* spans, int32_t count, uint32_t length,
                      vattn_sequence* sequence);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_SHARING_H_
