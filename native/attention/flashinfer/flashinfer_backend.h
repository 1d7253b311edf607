/* FlashInfer (arXiv 2501.01005): upstream's paged kernels over contiguous and paged caches. */
#ifndef VATTENTION_ATTENTION_FLASHINFER_BACKEND_H_
#define VATTENTION_ATTENTION_FLASHINFER_BACKEND_H_

#include "vattention/attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The table of the backend: static. */
const vattn_backend* vattn_flashinfer_backend(void);
/* What this build holds, as JSON: {"archs":[...],"headDims":[...],"dtypes":[...],...}. Static. */
const char* vattn_flashinfer_built(void);

/*
 * The same with upstream's prefill kernel for Hopper, in the style of FlashAttention-3, where there
 * are prompts or chunks: compute capability 9.0, no window, no soft cap, no ALiBi.
 */
const vattn_backend* vattn_flashinfer_hopper_backend(void);
/* {"archs":[]} where the build is for no Hopper. */
const char* vattn_flashinfer_hopper_built(void);

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_ATTENTION_FLASHINFER_BACKEND_H_ */
