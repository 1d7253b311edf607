/*
 * An attention backend: plan once, prepare each pass, run each layer.
 *
 * Tensors: query [tokens, queryHeads, headDim], key [tokens, kvHeads, headDim],
 * value [tokens, kvHeads, valueHeadDim], output [tokens, queryHeads, valueHeadDim],
 * lse float32 [tokens, queryHeads] in natural log, -Infinity for an empty row. Any strides whose
 * last is 1. Rows of a batch are concatenated in the caller's order.
 */
#ifndef VATTENTION_ATTENTION_H_
#define VATTENTION_ATTENTION_H_

#include "vattention/device.h"
#include "vattention/kv_cache.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vattn_plan vattn_plan; /* opaque; one call at a time per plan */

/* Everything that does not change between passes. Pointers are read during plan_create only. */
typedef struct vattn_config {
  uint32_t size;
  int32_t cache_kind; /* vattn_cache_kind */
  vattn_cache_shape shape;
  int32_t pool_layout;       /* paged */
  int32_t block_tokens;      /* paged */
  int32_t query_heads;       /* a multiple of shape.kv_heads */
  int32_t dtype;             /* of query, key, value and output */
  float scale;               /* 0: 1 / sqrt(head_dim) */
  int32_t causal;            /* bottom-right aligned */
  int32_t window;            /* tokens visible, self included; 0: all */
  float soft_cap;            /* 0: none; cap * tanh(score / cap), after scale, before mask */
  const float* alibi_slopes; /* [query_heads] or NULL; adds slope * (j - i) */
  const float* sinks;        /* [query_heads] or NULL; unscaled logits that join the softmax */
  int32_t needs_lse;
  int32_t batch_invariant; /* a row's bits must not depend on its batch mates */
  /*
   * Of an e4m3 cache: what a stored number is multiplied with, float32 [slot or 1, kvHead] on the
   * plan's device, read by every prepare and run. NULL: 1. `query_scale`: what queries are divided
   * by where a backend computes in e4m3 and rounds them to it (FlashAttention-3); others keep them.
   */
  const vattn_tensor* query_scale;
  const vattn_tensor* key_scale;
  const vattn_tensor* value_scale;
} vattn_config;

/*
 * A thread pool lent by the caller, so that an engine and its backend do not fight over cores.
 * `parallel_for` calls task(argument, i) once for every i < count, on `threads` threads at most,
 * and returns when all are done. It is called from the thread that runs the plan.
 */
typedef struct vattn_executor {
  uint32_t size;
  int32_t threads;
  void* context;
  void (*parallel_for)(void* context, int32_t count, void (*task)(void* argument, int32_t index),
                       void* argument);
} vattn_executor;

typedef struct vattn_limits {
  uint32_t size;
  int32_t max_sequences;
  int32_t max_tokens;      /* rows of query in one pass */
  int64_t max_length;      /* longest KV length */
  int32_t graph_sequences; /* > 0: the plan is to be captured, with this fixed batch */
  int64_t graph_max_length;
  int32_t threads;                /* CPU: 0 = one per core it may use */
  const vattn_executor* executor; /* CPU: NULL = a pool of the plan's own; outlives the plan */
  int32_t device_index;           /* CUDA: the device that the plan runs on */
} vattn_limits;

/* One pass. Host arrays of `count`, copied by prepare. */
typedef struct vattn_batch {
  uint32_t size;
  int32_t count;
  const uint32_t* query_length; /* new tokens of each; 0 is legal */
  const uint32_t* kv_length; /* tokens after this pass; may be less than query_length only if 0 */
  const uint32_t* slot;      /* from vattn_cache_api.resolve */
  const uint32_t* backed_length;
  const uint32_t* first_kept;
  const int32_t* block_table; /* paged */
  int64_t block_table_stride;
} vattn_batch;

typedef struct vattn_partial {
  vattn_tensor output; /* [tokens, heads, dim] */
  vattn_tensor lse;    /* float32 [tokens, heads] */
} vattn_partial;

/* One per backend addon: static, never freed. */
typedef struct vattn_backend {
  uint32_t size;
  uint32_t abi_version;
  const char* name; /* "cpu", "flash-attention-3" */

  vattn_status (*plan_create)(const vattn_config*, const vattn_limits*, vattn_plan** plan,
                              vattn_error*);
  /*
   * Checks the batch (limits, lengths against what is backed) and lays out the work. Never waits
   * for a device. The view must match the plan's configuration and outlive the pass.
   */
  vattn_status (*plan_prepare)(vattn_plan*, const vattn_cache_view*, const vattn_batch*,
                               vattn_stream, vattn_error*);
  /*
   * One layer: writes the new K and V rows into the cache, then attends. k and v are both NULL
   * when the caller has written them. lse may be NULL. Allocates nothing, waits for nothing; on
   * the CPU it computes before it returns.
   */
  vattn_status (*plan_run)(vattn_plan*, int32_t layer, const vattn_tensor* q, const vattn_tensor* k,
                           const vattn_tensor* v, const vattn_tensor* out, const vattn_tensor* lse,
                           vattn_error*);
  vattn_status (*plan_append)(vattn_plan*, int32_t layer, const vattn_tensor* k,
                              const vattn_tensor* v, vattn_error*);
  uint64_t (*plan_workspace_bytes)(const vattn_plan*);
  void (*plan_destroy)(vattn_plan*);
  /* Combines partial results over disjoint keys, exactly. `lse` may be NULL. */
  vattn_status (*merge)(const vattn_partial* partials, int32_t count, const vattn_tensor* out,
                        const vattn_tensor* lse, vattn_stream, vattn_error*);
} vattn_backend;

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_ATTENTION_H_ */
