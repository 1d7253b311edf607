// Whether a device can run what was compiled.
#ifndef VATTENTION_ATTENTION_CUDA_COMPUTE_CAPABILITY_H_
#define VATTENTION_ATTENTION_CUDA_COMPUTE_CAPABILITY_H_

#include "vattention/status.h"

namespace vattention::attention::cuda {

// VATTN_UNSUPPORTED unless the device's compute capability is `major`.`minor` (90 = 9.0) or, with
// `later`, a later one for which kernels are in this build. `backend` for the message.
vattn_status CheckComputeCapability(const char* backend, int device, int capability, bool later,
                                    vattn_error* error);

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_COMPUTE_CAPABILITY_H_
