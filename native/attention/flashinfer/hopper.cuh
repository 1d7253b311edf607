// How LaunchHopper fills upstream's parameters. Its headers have structs of the same names as those
// of the other kernels: no file may see both.
#ifndef VATTENTION_ATTENTION_FLASHINFER_HOPPER_CUH_
#define VATTENTION_ATTENTION_FLASHINFER_HOPPER_CUH_

#include <flashinfer/attention/hopper/default_params.cuh>
#include <flashinfer/attention/hopper/prefill_sm90.cuh>
#include <flashinfer/attention/hopper/variants.cuh>
#include <type_traits>

#include "attention/cuda/cuda_error.h"
#include "attention/flashinfer/hopper.h"
#include "vattention/device.h"

namespace vattention::flashinfer {

template <int32_t kDtype>
using HopperElement =
    std::conditional_t<kDtype == VATTN_BFLOAT16, cutlass::bfloat16_t, cutlass::half_t>;

template <int32_t kDtype, int32_t kHeadDim, bool kCausal>
void LaunchHopper(const Launch& launch, const HopperSchedule& schedule, cudaStream_t stream) {
  using T = HopperElement<kDtype>;
  using Params = ::flashinfer::BatchPrefillPagedParams<T, T, T, int32_t>;
  Params p{};
  p.q_ptr = static_cast<T*>(launch.query.data);
  p.k_ptr = static_cast<T*>(launch.key.data);
  p.v_ptr = static_cast<T*>(launch.value.data);
  p.o_ptr = static_cast<T*>(launch.output.data);
  p.lse_ptr = launch.lse;
  p.qo_tile_indices = schedule.query_tile;
  p.qo_indptr = schedule.query_start;
  p.kv_indptr = schedule.page_start;
  p.kv_indices = const_cast<int32_t*>(launch.page);
  p.qo_lens = schedule.query_length;
  p.kv_lens = schedule.kv_length;
  p.head_indices = schedule.head;
  p.work_indptr = schedule.work_start;
  p.batch_indices = schedule.sequence;
  p.additional_params.sm_scale = launch.scale;
  p.q_stride_n = launch.query.row_stride;
  p.q_stride_h = launch.query.head_stride;
  p.o_stride_n = launch.output.row_stride;
  p.o_stride_h = launch.output.head_stride;
  p.k_stride_n = launch.key.token_stride;
  p.k_stride_h = launch.key.head_stride;
  p.k_page_stride = launch.key.page_stride;
  p.v_stride_n = launch.value.token_stride;
  p.v_stride_h = launch.value.head_stride;
  p.v_page_stride = launch.value.page_stride;
  p.nnz_qo = launch.rows;
  p.num_qo_heads = launch.query_heads;
  p.num_kv_heads = launch.kv_heads;
  p.group_size = launch.query_heads / launch.kv_heads;
  p.page_size = launch.page_tokens;
  p.window_left = -1;
  p.causal = kCausal;
  (void)cudaGetLastError();  // upstream returns the last error, which may be somebody else's
  constexpr auto kMask = kCausal ? ::flashinfer::MaskMode::kCausal : ::flashinfer::MaskMode::kNone;
  attention::cuda::Check(
      ::flashinfer::BatchPrefillWithPagedKVCacheDispatched<
          kHeadDim, kHeadDim, kMask, /*LEFT_SLIDING_WINDOW=*/false,
          /*SAME_SCHEDULE_FOR_ALL_HEADS=*/false, ::flashinfer::StandardAttention>(
          p, /*enable_pdl=*/false, stream),
      "FlashInfer's paged prefill for Hopper");
}

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_HOPPER_CUH_
