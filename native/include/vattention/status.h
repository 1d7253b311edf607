/*
 * Status codes and the error record of the vAttention C ABI.
 *
 * Rules of the whole ABI (every header in this folder keeps them):
 *  - Plain C. Every struct that crosses it starts with its own `size` in bytes, so that a caller
 *    compiled against an older header stays valid: a callee reads only what `size` covers.
 *  - A function that can fail returns a `vattn_status` and, when `error` is not NULL, fills the
 *    caller-owned record. No exception, no ownership and no C++ type crosses a call.
 *  - Lengths are tokens, sizes are bytes, strides are elements, unless a name says otherwise.
 *  - There is no global state: any number of caches, plans and devices live in one process.
 */
#ifndef VATTENTION_STATUS_H_
#define VATTENTION_STATUS_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bumped when a struct or table changes in a way that `size` cannot express. */
#define VATTN_ABI_VERSION 1u

typedef enum vattn_status {
  VATTN_OK = 0,
  VATTN_INVALID_ARGUMENT = 1, /* a value is out of range; nothing changed */
  VATTN_UNSUPPORTED = 2,      /* valid, but this implementation cannot do it */
  VATTN_OUT_OF_MEMORY = 3,    /* outside `step`: memory that the call promised is not there */
  VATTN_DEVICE_ERROR = 4,     /* a driver call failed: see driver_call and driver_code */
  VATTN_STALE_SEQUENCE = 5,   /* the handle was freed, or is of another cache */
  VATTN_DISPOSED = 6,         /* the object was closed */
  VATTN_NO_SLOT = 7,          /* all `max_sequences` slots are live */
  VATTN_NOT_BACKED = 8,       /* a length reaches beyond what `step` backed */
  VATTN_BUSY = 9,             /* the object is in use by another call */
  VATTN_INTERNAL = 10         /* a broken invariant: our bug */
} vattn_status;

/* What went wrong, for people and for programs. The caller sets `size` and owns the memory. */
typedef struct vattn_error {
  uint32_t size;        /* sizeof(vattn_error) */
  int32_t status;       /* the vattn_status that was returned */
  int64_t driver_code;  /* errno, CUresult or cudaError_t; 0 when no driver call failed */
  char driver_call[64]; /* the call that failed, "cuMemCreate"; empty when none did */
  char message[960];    /* expected, received, what to do; UTF-8, always terminated */
} vattn_error;

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_STATUS_H_ */
