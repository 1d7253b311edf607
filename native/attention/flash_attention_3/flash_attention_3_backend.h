/* FlashAttention-3 (arXiv 2407.08608): upstream's kernels for Hopper over contiguous and paged
 * caches. */
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_3_BACKEND_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_3_BACKEND_H_

#include "vattention/attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The table of the backend: static. */
const vattn_backend* vattn_flash_attention_3_backend(void);
/* What this build holds, as JSON: {"archs":[...],"headDims":[...],"dtypes":[...],...}. Static. */
const char* vattn_flash_attention_3_built(void);

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_ATTENTION_FLASH_ATTENTION_3_BACKEND_H_ */
