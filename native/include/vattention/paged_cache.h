/*
 * Making and steering a paged KV cache: what `vattn_cache_api` does not need to know.
 * Implemented by the library in native/paged.
 *
 *   block        `block_tokens` tokens of all layers: one row of every layer's K and V tensor
 *   pool         all blocks, reserved and backed by memory when the cache is made
 *   block table  the blocks of one sequence, in order; -1 where a slid window gave one up
 *   cached       a block that no sequence uses but whose tokens are known by hash: it is kept until
 *                its room is needed, least recently used first
 *
 * This is PagedAttention's way of managing memory (arXiv 2309.06180), as block managers of serving
 * systems do it today: reference counts, copy-on-write, and a prefix cache by chained block hash.
 */
#ifndef VATTENTION_PAGED_CACHE_H_
#define VATTENTION_PAGED_CACHE_H_

#include "vattention/contiguous_cache.h" /* events and fault plans: shared by all caches */
#include "vattention/kv_cache.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vattn_paged_options {
  uint32_t size;
  vattn_cache_shape shape;
  int32_t device_type; /* VATTN_DEVICE_CPU or VATTN_DEVICE_CUDA */
  int32_t device_index;
  uint64_t limit_bytes; /* size of the pool: floor(limit_bytes / block_bytes) blocks, at least 1 */
  int32_t block_tokens; /* 1, 8, 16, 32, 64, 128 or 256 */
  int32_t pool_layout;  /* vattn_pool_layout */
  int32_t prefix_cache; /* 0: publish keeps nothing and no prompt shares anything */
  int32_t hash_bits;    /* low bits of a block's hash that count; 0: all 64. Tests of collisions */
  int32_t trace_events; /* ring of the last events; 0: none */
  const char* cgroup_root;        /* where memory limits are read; NULL: the system's */
  const vattn_fault_plan* faults; /* not NULL: the faulty driver wraps the real one */
} vattn_paged_options;

typedef struct vattn_paged_geometry {
  uint32_t size;
  int32_t blocks; /* in the pool */
  int32_t block_tokens;
  int32_t max_blocks;         /* widest block table row: ceil(max_length / block_tokens) */
  uint64_t bytes_per_token;   /* all layers, K and V */
  uint64_t block_bytes;       /* all layers, K and V: bytes_per_token x block_tokens */
  uint64_t pool_bytes;        /* blocks x block_bytes */
  uint64_t reserved_bytes;    /* the pool with its tensors aligned, in whole pages of the driver */
  uint64_t waste_bound_bytes; /* per live sequence: below one block */
} vattn_paged_geometry;

/*
 * Creates a cache with one reference and takes the memory of the whole pool. On failure nothing is
 * left behind and *ref is untouched.
 * Errors: VATTN_INVALID_ARGUMENT, VATTN_UNSUPPORTED, VATTN_DEVICE_ERROR, VATTN_OUT_OF_MEMORY.
 */
vattn_status vattn_paged_create(const vattn_paged_options* options, vattn_cache_ref* ref,
                                vattn_error* error);
/* The table of every paged cache. */
const vattn_cache_api* vattn_paged_api(void);
/* Geometry that `options` would have; makes nothing. */
vattn_status vattn_paged_geometry_of(const vattn_paged_options* options,
                                     vattn_paged_geometry* geometry, vattn_error* error);

/*
 * Ends the cache for its users and gives the pool's memory back. Later calls return VATTN_DISPOSED.
 * Idempotent. VATTN_BUSY and nothing done while an attached stream has work in flight. The address
 * range goes with the last reference.
 */
vattn_status vattn_paged_close(vattn_cache* cache, vattn_error* error);

/*
 * The prefix cache. Blocks are found by a hash over (hash of the block before, tokens of the
 * block), which starts from `salt`, and are compared token by token before they are shared: a
 * collision costs time and never correctness. Only full blocks are shared.
 *
 * Reserves a sequence that shows the longest cached prefix of `tokens` after its next step, at most
 * count - 1 tokens. `shared_length`: how many. VATTN_NO_SLOT when no slot is left.
 */
vattn_status vattn_paged_allocate_prefix(vattn_cache* cache, const uint32_t* tokens, uint32_t count,
                                         const char* salt, uint64_t salt_bytes,
                                         vattn_sequence* sequence, uint32_t* shared_length,
                                         vattn_error* error);
/*
 * Tells the cache that `tokens` are the sequence's tokens [0, count), written. Its full blocks can
 * be shared from now on; calling it again with more tokens looks only at new blocks. A block stays
 * with the salt under which it was published first.
 * Errors: VATTN_NOT_BACKED when `count` is beyond the backed length; VATTN_INVALID_ARGUMENT when
 * `tokens` differ from what was published of this sequence before.
 */
vattn_status vattn_paged_publish(vattn_cache* cache, vattn_sequence sequence,
                                 const uint32_t* tokens, uint32_t count, const char* salt,
                                 uint64_t salt_bytes, vattn_error* error);
/* Forgets what is cached: blocks that only the prefix cache holds become free. */
vattn_status vattn_paged_drop_cached(vattn_cache* cache, vattn_error* error);

/* Copies the newest events, oldest first; returns how many. */
int32_t vattn_paged_trace_read(vattn_cache* cache, vattn_event* events, int32_t capacity);
/* As vattn_events_listen. */
vattn_status vattn_paged_events_listen(vattn_cache* cache, vattn_event_callback callback,
                                       void* context, vattn_error* error);
/* Re-arms the faulty driver; VATTN_UNSUPPORTED without one. `calls` = driver calls so far. */
vattn_status vattn_paged_faults_set(vattn_cache* cache, const vattn_fault_plan* faults,
                                    uint64_t* calls, vattn_error* error);
/*
 * Whole-structure check: every block in one state, lists, reference counts against the tables, the
 * hash index, sums. For tests; O(blocks + table entries).
 */
vattn_status vattn_paged_check(vattn_cache* cache, vattn_error* error);

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_PAGED_CACHE_H_ */
