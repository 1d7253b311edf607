/*
 * Attention on the CPU: the function table of @vattention/cpu.
 *
 * SIMD kernels (Google Highway, chosen at run time for the machine) over contiguous and paged
 * caches of float32, float16 or bfloat16, with query and output of any of the three. All arithmetic
 * is float32. A row's result depends on its query, the keys and values that it sees and their
 * positions, and on nothing else: not on batch mates, on how a prompt is cut into chunks, on the
 * kind or layout of the cache, or on the number of threads (kernels.h says how).
 */
#ifndef VATTENTION_ATTENTION_CPU_CPU_BACKEND_H_
#define VATTENTION_ATTENTION_CPU_CPU_BACKEND_H_

#include "vattention/attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The table "cpu": static, never freed. */
const vattn_backend* vattn_cpu_backend(void);

/* The instruction set that the kernels use on this machine: "AVX3", "AVX2", "SSE2", "NEON". */
const char* vattn_cpu_target(void);

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_ATTENTION_CPU_CPU_BACKEND_H_ */
