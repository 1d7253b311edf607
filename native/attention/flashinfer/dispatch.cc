#include "attention/flashinfer/dispatch.h"

#include <type_traits>

#include "attention/built.h"
#include "attention/cuda/cuda_error.h"
#include "attention/flashinfer/decode.h"
#include "attention/flashinfer/prefill.h"
#include "vattention/device.h"

namespace vattention::flashinfer {

using attention::cuda::CudaError;

namespace {

// The kernel that merges partial results knows no others.
constexpr bool Served(int32_t head_dim) {
  return head_dim == 64 || head_dim == 128 || head_dim == 256;
}

template <int32_t kValue>
using Number = std::integral_constant<int32_t, kValue>;

template <int32_t kHeadDim, typename Call>
bool WithHeadDim(int32_t dtype, const Call& call) {
  (void)dtype;
  (void)call;
  if constexpr (Served(kHeadDim)) {
    if constexpr (VATTN_CUDA_BFLOAT16 != 0) {
      if (dtype == VATTN_BFLOAT16) {
        call(Number<VATTN_BFLOAT16>(), Number<kHeadDim>());
        return true;
      }
    }
    if constexpr (VATTN_CUDA_FLOAT16 != 0) {
      if (dtype == VATTN_FLOAT16) {
        call(Number<VATTN_FLOAT16>(), Number<kHeadDim>());
        return true;
      }
    }
  }
  return false;
}

// Calls `call` with the two as constants.
template <typename Call>
void WithBuilt(int32_t dtype, int32_t head_dim, const Call& call) {
  switch (head_dim) {
#define VATTN_CASE(D)                        \
  case D:                                    \
    if (WithHeadDim<D>(dtype, call)) return; \
    break;
    VATTN_CUDA_HEAD_DIMS(VATTN_CASE)
#undef VATTN_CASE
    default:
      break;
  }
  throw CudaError(cudaErrorNoKernelImageForDevice, "FlashInfer");
}

template <int32_t kDtype, int32_t kCacheDtype, int32_t kHeadDim>
void PrefillOf(const Launch& launch, const TileSchedule& schedule, cudaStream_t stream) {
  if (launch.causal) {
    LaunchPrefill<kDtype, kCacheDtype, kHeadDim, true>(launch, schedule, stream);
  } else {
    LaunchPrefill<kDtype, kCacheDtype, kHeadDim, false>(launch, schedule, stream);
  }
}

}  // namespace

bool ServesHeadDim(int32_t head_dim) {
#define VATTN_SAME(D) || head_dim == D
  return Served(head_dim) && (false VATTN_CUDA_HEAD_DIMS(VATTN_SAME));
#undef VATTN_SAME
}

std::string ServedHeadDims() {
  std::string text;
#define VATTN_ADD(D) \
  if (Served(D)) text += (text.empty() ? "" : ",") + std::to_string(D);
  VATTN_CUDA_HEAD_DIMS(VATTN_ADD)
#undef VATTN_ADD
  return text;
}

bool HopperBuilt() { return VATTN_FLASHINFER_HOPPER != 0; }

void EnqueuePrefill(const Launch& launch, const TileSchedule& schedule, cudaStream_t stream) {
  WithBuilt(launch.dtype, launch.head_dim, [&](auto dtype, auto head_dim) {
    if (launch.cache_dtype == launch.dtype) {
      PrefillOf<dtype(), dtype(), head_dim()>(launch, schedule, stream);
      return;
    }
#if VATTN_CUDA_FP8
    PrefillOf<dtype(), VATTN_FLOAT8_E4M3, head_dim()>(launch, schedule, stream);
#else
    throw CudaError(cudaErrorNoKernelImageForDevice, "FlashInfer");
#endif
  });
}

TileSchedule PlanDecode(int32_t dtype, const ScheduleInput& input, const ScheduleBuffers& buffers,
                        cudaStream_t stream) {
  TileSchedule schedule{};
  WithBuilt(dtype, input.head_dim, [&](auto type, auto head_dim) {
    schedule = MakeDecodeSchedule<type(), head_dim()>(input, buffers, stream);
  });
  return schedule;
}

void EnqueueDecode(const Launch& launch, const TileSchedule& schedule, cudaStream_t stream) {
  WithBuilt(launch.dtype, launch.head_dim, [&](auto dtype, auto head_dim) {
    LaunchDecode<dtype(), head_dim()>(launch, schedule, stream);
  });
}

void EnqueueHopper(const Launch& launch, const HopperSchedule& schedule, cudaStream_t stream) {
#if VATTN_FLASHINFER_HOPPER
  WithBuilt(launch.dtype, launch.head_dim, [&](auto dtype, auto head_dim) {
    if (launch.causal) {
      LaunchHopper<dtype(), head_dim(), true>(launch, schedule, stream);
    } else {
      LaunchHopper<dtype(), head_dim(), false>(launch, schedule, stream);
    }
  });
#else
  (void)launch;
  (void)schedule;
  (void)stream;
  throw CudaError(cudaErrorNoKernelImageForDevice, "FlashInfer's prefill for Hopper");
#endif
}

}  // namespace vattention::flashinfer
