/*
 * Making and steering a contiguous KV cache: what `vattn_cache_api` does not need to know.
 * Implemented by the library in native/memory.
 */
#ifndef VATTENTION_CONTIGUOUS_CACHE_H_
#define VATTENTION_CONTIGUOUS_CACHE_H_

#include "vattention/kv_cache.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Where K and V of the layers lie. One reservation, cut into `tensors` of
 * [slot, token, (layer, {K,V},) head, dim]:
 *   interleaved   one tensor: a page holds some tokens of all layers; least waste, fewest mappings
 *   layer group   one tensor per group of `layer_group` layers
 *   split         K and V of each layer apart: dense rows, the CPU's default
 */
typedef enum vattn_layout {
  VATTN_LAYOUT_INTERLEAVED = 0,
  VATTN_LAYOUT_LAYER_GROUP = 1,
  VATTN_LAYOUT_SPLIT = 2
} vattn_layout;

typedef enum vattn_zero {
  VATTN_ZERO_RECYCLED = 0, /* new pages and another sequence's old rows */
  VATTN_ZERO_NEW = 1       /* new and recycled pages only; adopted rows keep old data (finite) */
} vattn_zero;

/* Makes some driver calls fail, slow or visible; for tests of everything above the driver. */
typedef struct vattn_fault_plan {
  uint32_t size;
  int64_t fail_call;  /* the nth driver call from now (1 = the next) fails; 0: none */
  int64_t fail_count; /* how many calls in a row fail from there; 0 means 1 */
  int32_t fail_code;  /* errno to report; 0 means ENOMEM */
  int32_t fail_kind;  /* 0: any call; else only this vattn_driver_call */
  int32_t delay_us;   /* each map, unmap, create, release, zero and copy sleeps this long */
  int32_t deferred;   /* not 0 when the cache is made: it takes zeroing and copying for work that
                         ends after the call, as on a device, and waits for readers as there */
} vattn_fault_plan;

typedef enum vattn_driver_call {
  VATTN_CALL_ANY = 0,
  VATTN_CALL_RESERVE = 1,
  VATTN_CALL_CREATE = 2,
  VATTN_CALL_MAP = 3,
  VATTN_CALL_UNMAP = 4,
  VATTN_CALL_RELEASE = 5,
  VATTN_CALL_ZERO = 6,
  VATTN_CALL_COPY = 7,
  VATTN_CALL_EVENT = 8
} vattn_driver_call;

/* Something the manager did. Given to the listener and kept in the trace ring. */
typedef enum vattn_event_kind {
  VATTN_EVENT_STEP = 0,          /* bytes = mapped, count = sequences */
  VATTN_EVENT_OUT_OF_MEMORY = 1, /* bytes = needed */
  VATTN_EVENT_MAP_AHEAD = 2,     /* the mapper mapped `bytes` for `slot` */
  VATTN_EVENT_REFILL = 3,        /* the mapper created `bytes` of free pages */
  VATTN_EVENT_ZERO = 4,
  VATTN_EVENT_PARK = 5,
  VATTN_EVENT_ADOPT = 6,
  VATTN_EVENT_EVICT = 7,        /* a parked slot's pages were taken */
  VATTN_EVENT_ALIAS = 8,        /* bytes shared with another sequence or the index */
  VATTN_EVENT_COPY = 9,         /* boundary or copy-on-write */
  VATTN_EVENT_CONDEMN = 10,     /* pages wait for a fence */
  VATTN_EVENT_RELEASE = 11,     /* memory went back to the system */
  VATTN_EVENT_LIMIT = 12,       /* bytes = the limit now in force */
  VATTN_EVENT_DRIVER_ERROR = 13 /* count = code; nothing changed, or the work will be retried */
} vattn_event_kind;

typedef struct vattn_event {
  uint32_t size;
  int32_t kind;     /* vattn_event_kind */
  int32_t slot;     /* -1 when of no slot */
  int32_t thread;   /* 0: a caller's, 1: the mapper's */
  int64_t start_ns; /* since the cache was made, monotonic */
  int64_t duration_ns;
  uint64_t bytes;
  int64_t count;
} vattn_event;

typedef struct vattn_contiguous_options {
  uint32_t size;
  vattn_cache_shape shape;
  int32_t device_type; /* VATTN_DEVICE_CPU or VATTN_DEVICE_CUDA */
  int32_t device_index;
  uint64_t limit_bytes;      /* physical memory it may hold */
  int32_t layout;            /* vattn_layout */
  int32_t layer_group;       /* layers per group, VATTN_LAYOUT_LAYER_GROUP */
  int32_t page_classes;      /* entries of page_bytes; 0: the driver's default classes */
  uint64_t page_bytes[8];    /* ascending multiples of the driver's granularity */
  uint64_t share_page_bytes; /* largest class a shareable prefix may use; 0: 2 MiB, or the smallest
                                class where that is larger */
  int32_t tail_rows;         /* rows past each backed length that stay backed and finite */
  int32_t lead_rows;         /* rows before a slid window that stay mapped */
  int32_t zero;              /* vattn_zero */
  int32_t map_ahead;         /* 0: no mapper thread */
  int32_t ahead_tokens;      /* tokens mapped ahead of each live sequence; 0: default 256 */
  int32_t idle_slots;        /* slots kept mapped for the next prompts; -1: none, 0: default 1 */
  uint64_t idle_bytes;      /* mapped in each idle slot; 0: default, four smallest pages a tensor */
  uint64_t low_water_bytes; /* free pages kept ready; 0: default */
  uint64_t mapping_budget;  /* live mappings; 0: 75 % of what the system has left. A failed step
                               that cannot be undone exactly can leave a few more; then no step adds
                               any until there are fewer again. */
  int32_t trace_events;     /* ring of the last events; 0: none */
  const char* cgroup_root;  /* where memory limits are read; NULL: the system's */
  const vattn_fault_plan* faults; /* not NULL: the faulty driver wraps the real one */
} vattn_contiguous_options;

typedef struct vattn_geometry {
  uint32_t size;
  int32_t tensors;          /* of the layout: 1, groups, or 2 x layers */
  uint64_t bytes_per_token; /* all layers, K and V */
  uint64_t smallest_page_bytes;
  uint64_t slot_bytes; /* address space of one slot, all tensors */
  uint64_t reserved_bytes;
  uint64_t waste_bound_bytes; /* per live sequence: below one smallest page per tensor */
  uint64_t row_bytes[2];      /* of the first and the last tensor: one token's bytes in it */
} vattn_geometry;

/*
 * Creates a cache with one reference. On failure nothing is left behind and *ref is untouched.
 * Errors: VATTN_INVALID_ARGUMENT, VATTN_UNSUPPORTED, VATTN_DEVICE_ERROR, VATTN_OUT_OF_MEMORY.
 */
vattn_status vattn_contiguous_create(const vattn_contiguous_options* options, vattn_cache_ref* ref,
                                     vattn_error* error);
/* The table of every contiguous cache. */
const vattn_cache_api* vattn_contiguous_api(void);
/* Geometry that `options` would have; makes nothing. */
vattn_status vattn_contiguous_geometry(const vattn_contiguous_options* options,
                                       vattn_geometry* geometry, vattn_error* error);

/*
 * Ends the cache for its users: stops the mapper, unmaps and gives all memory back. Later calls
 * return VATTN_DISPOSED. Idempotent. VATTN_BUSY and nothing done while an attached stream has work
 * in flight. The address range goes with the last reference.
 */
vattn_status vattn_contiguous_close(vattn_cache* cache, vattn_error* error);

/*
 * Sharing. A span keeps the pages that hold tokens [from, to) of a sequence alive after it: the
 * prefix index (policy, not here) owns spans and says which chain of them a new sequence starts
 * with. All of [0, to) of the sequence must be backed and written.
 */
typedef uint32_t vattn_span;
vattn_status vattn_span_create(vattn_cache* cache, vattn_sequence sequence, uint32_t from,
                               uint32_t to, vattn_span* span, vattn_error* error);
/* `freed_bytes`: what turned from retained into free or condemned by it. */
vattn_status vattn_span_release(vattn_cache* cache, vattn_span span, uint64_t* freed_bytes,
                                vattn_error* error);
/*
 * Reserves a sequence that will show tokens [0, length) of a chain of spans that cover them without
 * gaps from 0 on; the next step aliases full pages and copies the boundary. A parked slot that
 * still holds these very pages is adopted in place. The spans may be released after the step.
 */
vattn_status vattn_allocate_shared(vattn_cache* cache, const vattn_span* spans, int32_t count,
                                   uint32_t length, vattn_sequence* sequence, vattn_error* error);

/* Gives free, then parked pages back to the system until at most `keep_bytes` of them are left. */
vattn_status vattn_trim(vattn_cache* cache, uint64_t keep_bytes, uint64_t* released_bytes,
                        vattn_error* error);

/* Steering the mapper, for tests and for latency-critical phases. */
vattn_status vattn_mapper_pause(vattn_cache* cache, vattn_error* error); /* returns when it rests */
vattn_status vattn_mapper_resume(vattn_cache* cache, vattn_error* error);
vattn_status vattn_mapper_drain(vattn_cache* cache,
                                vattn_error* error); /* until it has nothing to do */

/* Copies the newest events, oldest first; returns how many. */
int32_t vattn_trace_read(vattn_cache* cache, vattn_event* events, int32_t capacity);
/*
 * Calls `callback` with every event from now on, on the thread that caused it; NULL ends that. When
 * it returns, the former callback is not running and will not be called again. A callback must not
 * call the cache and must not block.
 */
typedef void (*vattn_event_callback)(void* context, const vattn_event* event);
vattn_status vattn_events_listen(vattn_cache* cache, vattn_event_callback callback, void* context,
                                 vattn_error* error);
/* Re-arms the faulty driver; VATTN_UNSUPPORTED without one. `calls` = driver calls so far. */
vattn_status vattn_faults_set(vattn_cache* cache, const vattn_fault_plan* faults, uint64_t* calls,
                              vattn_error* error);
/* Whole-structure check: every page in one state, sums, refcounts. For tests; O(pages). */
vattn_status vattn_contiguous_check(vattn_cache* cache, vattn_error* error);

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_CONTIGUOUS_CACHE_H_ */
