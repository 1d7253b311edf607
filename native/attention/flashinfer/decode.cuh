// How MakeDecodeSchedule and LaunchDecode call upstream.
#ifndef VATTENTION_ATTENTION_FLASHINFER_DECODE_CUH_
#define VATTENTION_ATTENTION_FLASHINFER_DECODE_CUH_

#include <flashinfer/utils.cuh>
// Upstream's launch code compiles kernels for seven group sizes; one is used.
#undef DISPATCH_GQA_GROUP_SIZE
#define DISPATCH_GQA_GROUP_SIZE(group_size, GROUP_SIZE, ...) \
  {                                                          \
    constexpr size_t GROUP_SIZE = 1;                         \
    __VA_ARGS__                                              \
  }
#include <flashinfer/attention/decode.cuh>
#include <flashinfer/attention/default_decode_params.cuh>
#include <flashinfer/attention/scheduler.cuh>

#include "attention/cuda/cuda_error.h"
#include "attention/flashinfer/decode.h"
#include "attention/flashinfer/element.cuh"
#include "attention/flashinfer/paged_cache.cuh"
#include "attention/flashinfer/variants.cuh"

namespace vattention::flashinfer {

template <int32_t kDtype>
using DecodeParams =
    ::flashinfer::BatchDecodeParams<Element<kDtype>, Element<kDtype>, Element<kDtype>, int32_t>;
using DecodeVariant = ::flashinfer::DefaultAttention<false, false, false, false>;
inline constexpr auto kNoPositions = ::flashinfer::PosEncodingMode::kNone;

template <int32_t kDtype, int32_t kHeadDim>
TileSchedule MakeDecodeSchedule(const ScheduleInput& input, const ScheduleBuffers& buffers,
                                cudaStream_t stream) {
  using Params = DecodeParams<kDtype>;
  const auto estimate =
      ::flashinfer::BatchDecodeWithPagedKVCacheWorkEstimationDispatched<1, kHeadDim, kNoPositions,
                                                                        DecodeVariant, Params>;
  ::flashinfer::DecodePlanInfo info;
  attention::cuda::Check(
      ::flashinfer::DecodePlan<kHeadDim, kNoPositions, DecodeVariant, Params>(
          buffers.partial, buffers.partial_bytes, buffers.device, buffers.host, buffers.bytes, info,
          const_cast<int32_t*>(input.page_start), static_cast<uint32_t>(input.sequences),
          static_cast<uint32_t>(input.query_heads), static_cast<uint32_t>(input.page_tokens),
          input.graph, stream, estimate),
      "FlashInfer's DecodePlan");
  const auto at = [&](int64_t offset) {
    return ::flashinfer::GetPtrFromBaseOffset<int32_t>(buffers.device, offset);
  };
  TileSchedule schedule{};
  schedule.blocks = static_cast<int32_t>(info.padded_batch_size);
  schedule.rows = input.rows;
  schedule.sequence = at(info.request_indices_offset);
  schedule.key_part = at(info.kv_tile_indices_offset);
  schedule.output_start = at(info.o_indptr_offset);
  schedule.part_tokens = at(info.kv_chunk_size_ptr_offset);
  if (info.split_kv) {
    schedule.valid =
        ::flashinfer::GetPtrFromBaseOffset<bool>(buffers.device, info.block_valid_mask_offset);
    schedule.partial_output =
        ::flashinfer::GetPtrFromBaseOffset<char>(buffers.partial, info.v_offset);
    schedule.partial_lse =
        ::flashinfer::GetPtrFromBaseOffset<float>(buffers.partial, info.s_offset);
  }
  return schedule;
}

template <int32_t kDtype, int32_t kHeadDim>
void LaunchDecode(const Launch& launch, const TileSchedule& schedule, cudaStream_t stream) {
  using Params = DecodeParams<kDtype>;
  using T = Element<kDtype>;
  Params p;
  p.q = static_cast<T*>(launch.query.data);
  p.paged_kv = MakePagedCache<T>(launch);
  p.o = static_cast<T*>(launch.output.data);
  p.lse = launch.lse;
  p.padded_batch_size = schedule.blocks;
  p.num_qo_heads = launch.query_heads;
  p.q_stride_n = static_cast<int32_t>(launch.query.row_stride);
  p.q_stride_h = static_cast<int32_t>(launch.query.head_stride);
  p.window_left = -1;
  p.sm_scale = launch.scale;
  p.request_indices = schedule.sequence;
  p.kv_tile_indices = schedule.key_part;
  p.o_indptr = schedule.output_start;
  p.kv_chunk_size_ptr = schedule.part_tokens;
  p.block_valid_mask = schedule.valid;
  p.partition_kv = schedule.partial_output != nullptr;
  attention::cuda::Check(::flashinfer::BatchDecodeWithPagedKVCacheDispatched<kHeadDim, kNoPositions,
                                                                             DecodeVariant, Params>(
                             p, static_cast<T*>(schedule.partial_output), schedule.partial_lse,
                             /*enable_pdl=*/false, stream),
                         "FlashInfer's paged decode");
}

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_DECODE_CUH_
