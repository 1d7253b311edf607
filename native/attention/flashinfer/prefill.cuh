// How LaunchPrefill fills upstream's parameters.
#ifndef VATTENTION_ATTENTION_FLASHINFER_PREFILL_CUH_
#define VATTENTION_ATTENTION_FLASHINFER_PREFILL_CUH_

#include <flashinfer/attention/default_prefill_params.cuh>
#include <flashinfer/attention/prefill.cuh>
#include <type_traits>

#include "attention/cuda/cuda_error.h"
#include "attention/flashinfer/element.cuh"
#include "attention/flashinfer/paged_cache.cuh"
#include "attention/flashinfer/prefill.h"
#include "attention/flashinfer/variants.cuh"

namespace vattention::flashinfer {

template <int32_t kDtype, int32_t kCacheDtype>
using PrefillParams = std::conditional_t<kDtype == kCacheDtype, Params<Element<kDtype>>,
                                         ScaledParams<Element<kDtype>, Element<kCacheDtype>>>;

template <typename P>
P MakePrefillParams(const Launch& launch, const TileSchedule& schedule) {
  P p;
  p.q = static_cast<typename P::DTypeQ*>(launch.query.data);
  p.paged_kv = MakePagedCache<typename P::DTypeKV>(launch);
  p.q_indptr = const_cast<int32_t*>(launch.query_start);
  p.o = static_cast<typename P::DTypeO*>(launch.output.data);
  p.lse = launch.lse;
  p.maybe_alibi_slopes = const_cast<float*>(launch.alibi);
  p.group_size = ::flashinfer::uint_fastdiv(launch.query_heads / launch.kv_heads);
  p.num_qo_heads = launch.query_heads;
  p.q_stride_n = static_cast<int32_t>(launch.query.row_stride);
  p.q_stride_h = static_cast<int32_t>(launch.query.head_stride);
  p.window_left = launch.window - 1;  // -1: no window
  p.logits_soft_cap = launch.soft_cap;
  p.sm_scale = launch.scale;
  p.request_indices = schedule.sequence;
  p.qo_tile_indices = schedule.query_tile;
  p.kv_tile_indices = schedule.key_part;
  p.merge_indptr = schedule.merge_start;
  p.o_indptr = schedule.output_start;
  p.block_valid_mask = schedule.valid;
  p.kv_chunk_size_ptr = schedule.part_tokens;
  p.max_total_num_rows = schedule.rows;
  p.total_num_rows = schedule.valid_rows;
  p.padded_batch_size = schedule.blocks;
  p.partition_kv = schedule.partial_output != nullptr;
  if constexpr (kScaled<P>) {
    p.key_scale = launch.key_scale;
    p.value_scale = launch.value_scale;
    p.slot = launch.slot;
  }
  return p;
}

template <int32_t kHeadDim, bool kCausal, bool kSameStrides, typename Variant, typename P>
cudaError_t DispatchPrefill(const P& params, const TileSchedule& schedule, cudaStream_t stream) {
  constexpr auto kMask = kCausal ? ::flashinfer::MaskMode::kCausal : ::flashinfer::MaskMode::kNone;
  constexpr auto kNoPositions = ::flashinfer::PosEncodingMode::kNone;
  const auto run = [&](auto tile) {
    return ::flashinfer::BatchPrefillWithPagedKVCacheDispatched<
        kSameStrides, decltype(tile)::value, kHeadDim, kHeadDim, kNoPositions,
        /*USE_FP16_QK_REDUCTION=*/false, kMask, Variant>(
        params, static_cast<typename P::DTypeO*>(schedule.partial_output), schedule.partial_lse,
        /*enable_pdl=*/false, stream);
  };
  switch (schedule.tile_rows) {
    case 16:
      return run(std::integral_constant<uint32_t, 16>());
    case 64:
      return run(std::integral_constant<uint32_t, 64>());
    default:
      // Upstream makes no such schedule for longer heads.
      if constexpr (kHeadDim < 256) return run(std::integral_constant<uint32_t, 128>());
      return cudaErrorInvalidValue;
  }
}

template <int32_t kDtype, int32_t kCacheDtype, int32_t kHeadDim, bool kCausal>
void LaunchPrefill(const Launch& launch, const TileSchedule& schedule, cudaStream_t stream) {
  const auto params = MakePrefillParams<PrefillParams<kDtype, kCacheDtype>>(launch, schedule);
  cudaError_t code = cudaSuccess;
  if constexpr (kDtype == kCacheDtype) {
    const bool plain = launch.soft_cap == 0 && launch.alibi == nullptr;
    code = plain && SameStrides(launch.key, launch.value)
               ? DispatchPrefill<kHeadDim, kCausal, true, Plain>(params, schedule, stream)
               : DispatchPrefill<kHeadDim, kCausal, false, General>(params, schedule, stream);
  } else {
    code = DispatchPrefill<kHeadDim, kCausal, false, General>(params, schedule, stream);
  }
  attention::cuda::Check(code, "FlashInfer's paged prefill");
}

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_PREFILL_CUH_
