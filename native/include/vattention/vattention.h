/* The whole C ABI. */
#ifndef VATTENTION_VATTENTION_H_
#define VATTENTION_VATTENTION_H_

#include "vattention/attention.h"
#include "vattention/contiguous_cache.h"
#include "vattention/device.h"
#include "vattention/kv_cache.h"
#include "vattention/page_export.h"
#include "vattention/paged_cache.h"
#include "vattention/status.h"

#endif /* VATTENTION_VATTENTION_H_ */
