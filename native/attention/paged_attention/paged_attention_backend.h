/*
 * PagedAttention (arXiv 2309.06180): vLLM's kernels over paged caches in the published layout. They
 * decode; prompts go through FlashAttention-2.
 */
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_BACKEND_H_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_BACKEND_H_

#include "vattention/attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The table of the backend: static. */
const vattn_backend* vattn_paged_attention_backend(void);
/* What this build holds, as JSON: {"archs":[...],"headDims":[...],"dtypes":[...],...}. Static. */
const char* vattn_paged_attention_built(void);

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_ATTENTION_PAGED_ATTENTION_BACKEND_H_ */
