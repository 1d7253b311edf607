// Whole-structure check, for tests and for finding our own bugs.
#ifndef VATTENTION_NATIVE_MEMORY_STRUCTURE_CHECK_H_
#define VATTENTION_NATIVE_MEMORY_STRUCTURE_CHECK_H_

#include "memory/cache_core.h"

namespace vattention::memory {

// Recounts who holds every page, and compares with the books: states, sums, reference counts, free
// lists, the mapping budget, what is backed and what steps may count on. VATTN_INTERNAL names the
// first difference. Holds the mapper off meanwhile; O(pages).
Status CheckStructure(CacheCore* core);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_STRUCTURE_CHECK_H_
