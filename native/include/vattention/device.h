/*
 * Devices, element types, strided tensors and streams: DLPack's model in plain C.
 */
#ifndef VATTENTION_DEVICE_H_
#define VATTENTION_DEVICE_H_

#include "vattention/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* DLPack's numbers. */
typedef enum vattn_device_type { VATTN_DEVICE_CPU = 1, VATTN_DEVICE_CUDA = 2 } vattn_device_type;

typedef enum vattn_dtype {
  VATTN_FLOAT32 = 0,
  VATTN_FLOAT16 = 1,
  VATTN_BFLOAT16 = 2,
  VATTN_FLOAT8_E4M3 = 3,
  VATTN_INT32 = 4
} vattn_dtype;

#define VATTN_MAX_RANK 6

/* A strided view of memory that someone else owns. Strides are in elements; 0 and gaps are legal.
 */
typedef struct vattn_tensor {
  void* data;                     /* address of element [0, ..., 0] */
  int32_t dtype;                  /* vattn_dtype */
  int32_t device_type;            /* vattn_device_type */
  int32_t device_index;           /* 0 on the CPU */
  int32_t rank;                   /* 1..VATTN_MAX_RANK */
  int64_t shape[VATTN_MAX_RANK];  /* elements */
  int64_t stride[VATTN_MAX_RANK]; /* elements */
} vattn_tensor;

/*
 * Work in order. On CUDA `handle` is the cudaStream_t. On the CPU it is 0 for the calling thread
 * (whose work is done when a call returns) or the address of a `vattn_timeline`.
 */
typedef struct vattn_stream {
  int32_t device_type;
  int32_t device_index;
  uint64_t handle;
} vattn_stream;

/*
 * A stream of the CPU: whoever runs work off the calling thread counts it here. Both counters only
 * grow and are accessed with atomic builtins (acquire/release), because the struct is shared
 * between addons that link no common library. `submitted` is raised before the work may start
 * touching a cache, `completed` after it stopped; work n is done when completed >= n.
 * The owner keeps it alive until every cache it was attached to has been told to detach it.
 */
typedef struct vattn_timeline {
  uint32_t size; /* sizeof(vattn_timeline) */
  uint32_t reserved;
  uint64_t submitted;
  uint64_t completed;
} vattn_timeline;

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_DEVICE_H_ */
