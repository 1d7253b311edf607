/*
 * The KV cache as backends, model runners and C++ engines see it.
 *
 * Two implementations share this table: the contiguous cache (one virtual address range per
 * sequence, physical pages mapped on demand: arXiv 2405.04437) and the paged one (block tables).
 *
 *   sequence     one request's tokens, named by a handle that `vattn_free` invalidates
 *   slot         the virtual address range a sequence occupies (contiguous)
 *   page         one physical allocation of one size class (contiguous)
 *   block        a paged cache's unit of `block_tokens` tokens
 *   step         making sure memory is there before a forward pass
 */
#ifndef VATTENTION_KV_CACHE_H_
#define VATTENTION_KV_CACHE_H_

#include "vattention/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vattn_cache vattn_cache; /* opaque, reference counted, any thread may call */
typedef struct vattn_fence vattn_fence; /* opaque: a point in the order of one or more streams */

/*
 * Slot index (low bits) and generation (high bits) of a live sequence; how many bits the slot
 * takes follows from max_sequences. Generation 0 is never handed out, so 0 is never a sequence.
 */
typedef uint32_t vattn_sequence;

typedef enum vattn_cache_kind { VATTN_CONTIGUOUS = 0, VATTN_PAGED = 1 } vattn_cache_kind;

/* How a paged pool lays out a block. */
typedef enum vattn_pool_layout {
  VATTN_POOL_NHD = 0,            /* K, V: [block, token, kvHead, dim] */
  VATTN_POOL_PAGED_ATTENTION = 1 /* K: [block, kvHead, dim/x, token, x], x = 16 bytes of elements;
                                    V: [block, kvHead, dim, token] (the published layout) */
} vattn_pool_layout;

typedef struct vattn_cache_shape {
  uint32_t size;
  int32_t layers;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t value_head_dim;
  int32_t dtype;         /* vattn_dtype of K and V */
  int32_t max_sequences; /* slots: address space, not memory */
  int64_t max_length;    /* tokens a sequence may reach */
} vattn_cache_shape;

/* What kernels see. Valid until the cache is released for the last time; the same for all steps. */
typedef struct vattn_cache_view {
  uint32_t size;
  int32_t kind; /* vattn_cache_kind */
  vattn_cache_shape shape;
  int32_t pool_layout;  /* paged: vattn_pool_layout */
  int32_t block_tokens; /* paged: tokens per block; contiguous: 0 */
  int32_t blocks;       /* paged: blocks in the pool; contiguous: 0 */
  int32_t max_blocks;   /* paged: widest block table row, ceil(max_length / block_tokens) */
  int32_t tail_rows;    /* contiguous: rows past each backed length that are readable and finite */
  int32_t finite_tail;  /* rows past the end inside the last page or block are finite */
  const vattn_tensor* key;   /* [layers] of [slot, token, kvHead, dim], or of the pool layout */
  const vattn_tensor* value; /* [layers] */
} vattn_cache_view;

/*
 * Where sequences lie, in caller-owned arrays of at least `count` elements (`block_table`:
 * count x block_table_stride, paged only). Arrays that are NULL are not written.
 */
typedef struct vattn_rows {
  uint32_t size;
  int32_t count;
  uint32_t* slot;             /* contiguous: slot index; paged: slot index too (not an address) */
  uint32_t* backed_length;    /* tokens that `step` backed */
  uint32_t* first_kept;       /* first token still readable after `slide`; 0 without */
  int32_t* block_table;       /* paged: block ids, row by row; entries before first_kept are -1 */
  int64_t block_table_stride; /* elements between two rows */
  int32_t widest;             /* out: longest row in blocks */
} vattn_rows;

typedef enum vattn_step_outcome {
  VATTN_STEP_OK = 0,
  VATTN_STEP_OUT_OF_MEMORY = 1
} vattn_step_outcome;
typedef enum vattn_step_limit {
  VATTN_LIMIT_BYTES = 0,    /* limitBytes, or the cgroup */
  VATTN_LIMIT_MAPPINGS = 1, /* the process's mapping budget */
  VATTN_LIMIT_DEVICE = 2    /* the driver itself has no more */
} vattn_step_limit;

typedef struct vattn_step_result {
  uint32_t size;
  int32_t outcome;          /* vattn_step_outcome */
  int32_t limit;            /* vattn_step_limit, when out of memory */
  int32_t driver_calls;     /* made by this step itself, when ok */
  uint64_t mapped_bytes;    /* mapped by this step itself, when ok */
  uint64_t needed_bytes;    /* out of memory: what was missing after all that could be used */
  uint64_t pending_bytes;   /* out of memory: waits for fences; will be free without any eviction */
  uint64_t evictable_bytes; /* out of memory: parked and retained bytes that could be given up */
} vattn_step_result;

/* Exact bytes per page state: the states sum to total_bytes. Counters since creation. */
typedef struct vattn_cache_stats {
  uint32_t size;
  uint32_t live_sequences;
  uint64_t reserved_bytes;  /* address space (contiguous) or pool size (paged) */
  uint64_t limit_bytes;     /* in force: the least of option, cgroup and device */
  uint64_t total_bytes;     /* physical memory held */
  uint64_t mapped_bytes;    /* of live sequences (paged: blocks with a reference) */
  uint64_t needed_bytes;    /* of mapped: pages that hold backed tokens */
  uint64_t ahead_bytes;     /* of mapped: mapped ahead for tokens to come, and tail rows */
  uint64_t surplus_bytes;   /* of mapped: adopted, more than needed and ahead */
  uint64_t retained_bytes;  /* only the prefix index holds them */
  uint64_t parked_bytes;    /* mapped in a slot with no live sequence */
  uint64_t condemned_bytes; /* wait for fences */
  uint64_t free_bytes;      /* created, unused */
  uint64_t used_bytes;      /* tokens of live sequences x bytes per token, shared ones once */
  uint64_t shared_bytes;    /* mapped bytes counted once that more than one live sequence maps */
  uint64_t live_mappings;   /* mappings charged to the budget (paged: the pool's) */
  uint64_t mapping_budget;
  uint64_t steps; /* calls of step that ended ok */
  uint64_t steps_out_of_memory;
  uint64_t steps_mapped_sync; /* steps that had to make a driver call themselves */
  uint64_t driver_calls;
  uint64_t pages_created, pages_released, pages_mapped, pages_unmapped;
  uint64_t adoptions;      /* parked slots taken over */
  uint64_t evictions;      /* parked slots (paged: cached blocks) given up for others */
  uint64_t aliased_tokens; /* tokens shared instead of computed: by mapping the same page */
  uint64_t copied_tokens;  /* tokens shared by copying a boundary page or block */
  uint64_t copied_bytes;   /* boundary copies and copy-on-write */
  uint64_t zeroed_bytes;
  /* Latency of `step`, log2 buckets: bucket i counts steps of [2^i, 2^(i+1)) ns. */
  uint64_t step_ns_histogram[40];
} vattn_cache_stats;

/*
 * The table of one cache implementation: static, never freed. Errors: every function may return
 * VATTN_DISPOSED after `close`, and VATTN_STALE_SEQUENCE for a handle that is not live.
 */
typedef struct vattn_cache_api {
  uint32_t size;
  uint32_t abi_version; /* VATTN_ABI_VERSION */
  const char* name;     /* "contiguous", "paged" */

  /* Ownership. `close` ends the cache's life for its users; memory goes with the last release. */
  void (*retain)(vattn_cache*);
  void (*release)(vattn_cache*);

  vattn_status (*view)(vattn_cache*, vattn_cache_view* view, vattn_error*);
  vattn_status (*resolve)(vattn_cache*, const vattn_sequence* sequences, int32_t count,
                          vattn_rows* rows, vattn_error*);

  /* Reserves a slot; moves no memory. VATTN_NO_SLOT when none is left. */
  vattn_status (*allocate)(vattn_cache*, vattn_sequence* sequence, vattn_error*);
  /* Reserves a sequence that shows the first `length` tokens of `source` after the next step. */
  vattn_status (*fork)(vattn_cache*, vattn_sequence source, uint32_t length,
                       vattn_sequence* sequence, vattn_error*);
  /*
   * Backs lengths[i] tokens of sequences[i], all or nothing: aliases, copies, zeroes, maps.
   * Returns VATTN_OK with the outcome in `result`; a full pool is an outcome, not an error.
   */
  vattn_status (*step)(vattn_cache*, const vattn_sequence* sequences, const uint32_t* lengths,
                       int32_t count, vattn_step_result* result, vattn_error*);
  /* `after` may be NULL: then pages leave when every attached stream has passed this point. */
  vattn_status (*truncate)(vattn_cache*, vattn_sequence, uint32_t length, vattn_fence* after,
                           vattn_error*);
  vattn_status (*slide)(vattn_cache*, vattn_sequence, uint32_t first_token, vattn_fence* after,
                        vattn_error*);
  vattn_status (*free)(vattn_cache*, vattn_sequence, vattn_fence* after, vattn_error*);

  /*
   * Order. A stream that reads or writes the cache is attached first (idempotent, counted);
   * `wait_ready` makes it wait for the cache's own zeroing and copies, which on the CPU are done
   * when `step` returns.
   */
  vattn_status (*attach_stream)(vattn_cache*, vattn_stream, vattn_error*);
  vattn_status (*detach_stream)(vattn_cache*, vattn_stream, vattn_error*);
  vattn_status (*wait_ready)(vattn_cache*, vattn_stream, vattn_error*);
  vattn_status (*record_fence)(vattn_cache*, vattn_stream, vattn_fence** fence, vattn_error*);
  int32_t (*fence_done)(vattn_fence*);
  void (*fence_release)(vattn_fence*); /* a fence keeps nothing alive but itself */

  vattn_status (*stats)(vattn_cache*, vattn_cache_stats* stats, vattn_error*);
  vattn_status (*set_limit)(vattn_cache*, uint64_t bytes, vattn_error*);

  /*
   * Changes whenever rows may have been taken from a sequence: by truncate, slide, free or close.
   * While it is what it was before `resolve`, what that said still holds, though sequences may have
   * grown. Takes no lock. Tables whose `size` ends before it do not have it.
   */
  uint64_t (*revision)(const vattn_cache*);
} vattn_cache_api;

/* What a tagged external of a Node addon carries, and what plans and model runners are given. */
typedef struct vattn_cache_ref {
  uint32_t size;
  const vattn_cache_api* api;
  vattn_cache* cache;
} vattn_cache_ref;

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_KV_CACHE_H_ */
