#include <algorithm>
#include <flashinfer/attention/scheduler.cuh>

#include "attention/cuda/cuda_error.h"
#include "attention/flashinfer/tile_schedule.h"

namespace vattention::flashinfer {

using attention::cuda::Check;

namespace {

constexpr int64_t kAlignment = 16;
// The arrays of a schedule, each padded to the alignment.
constexpr int64_t kArrays = 9;

int64_t CeilDiv(int64_t value, int64_t step) { return (value + step - 1) / step; }

template <typename T>
T* At(const ScheduleBuffers& buffers, int64_t offset) {
  return ::flashinfer::GetPtrFromBaseOffset<T>(buffers.device, offset);
}

}  // namespace

int32_t DecodeTileRows(int32_t group, int32_t head_dim) {
  return group <= 16 ? 16 : group <= 64 || head_dim >= 256 ? 64 : 128;
}

size_t ScheduleBytes(int64_t sequences, int64_t rows, int64_t group, int64_t blocks) {
  // A tile has 16 rows only where sequences have 16 on average, and else 64 at least: so there are
  // at most two for each sequence, and one for each 64 rows. A sum, and not the larger of the two:
  // the bytes of all groups of a pass are then at most those of one group of all, and of as many
  // empty ones.
  const int64_t padded = blocks + 2 * sequences + CeilDiv(rows * group, 64);
  const int64_t numbers = 3 * padded + (sequences + 1) + (rows + 1) + 2;
  return static_cast<size_t>(numbers * int64_t{sizeof(int32_t)} + padded + kArrays * kAlignment);
}

size_t PartialBytes(int64_t blocks, int64_t tile_rows, int64_t query_heads, int64_t kv_heads,
                    int64_t head_dim) {
  const int64_t rows = CeilDiv(blocks * tile_rows, query_heads / kv_heads);
  return static_cast<size_t>(query_heads * rows * (head_dim + 1) * int64_t{sizeof(float)} +
                             2 * kAlignment);
}

TileSchedule MakeTileSchedule(const ScheduleInput& input, const ScheduleBuffers& buffers,
                              cudaStream_t stream) {
  ::flashinfer::PrefillPlanInfo info;
  Check(::flashinfer::PrefillPlan<int32_t>(
            buffers.partial, buffers.partial_bytes, buffers.device, buffers.host, buffers.bytes,
            info, const_cast<int32_t*>(input.query_start), const_cast<int32_t*>(input.page_start),
            static_cast<uint32_t>(input.rows), static_cast<uint32_t>(input.sequences),
            static_cast<uint32_t>(input.query_heads), static_cast<uint32_t>(input.kv_heads),
            static_cast<uint32_t>(input.head_dim), static_cast<uint32_t>(input.head_dim),
            static_cast<uint32_t>(input.page_tokens), input.graph,
            static_cast<uint32_t>(input.element_bytes), input.window - 1,
            input.split_pages > 0 ? input.split_pages : -1, input.whole,
            /*num_colocated_ctas=*/0, /*uniform_q_len=*/input.graph ? 1 : -1, stream,
            static_cast<uint32_t>(input.cache_element_bytes)),
        "FlashInfer's PrefillPlan");
  TileSchedule schedule{};
  schedule.tile_rows = static_cast<int32_t>(info.cta_tile_q);
  schedule.blocks = static_cast<int32_t>(info.padded_batch_size);
  schedule.rows = static_cast<int32_t>(info.total_num_rows);
  schedule.sequence = At<int32_t>(buffers, info.request_indices_offset);
  schedule.query_tile = At<int32_t>(buffers, info.qo_tile_indices_offset);
  schedule.key_part = At<int32_t>(buffers, info.kv_tile_indices_offset);
  schedule.output_start = At<int32_t>(buffers, info.o_indptr_offset);
  schedule.part_tokens = At<int32_t>(buffers, info.kv_chunk_size_ptr_offset);
  if (info.split_kv) {
    schedule.merge_start = At<int32_t>(buffers, info.merge_indptr_offset);
    schedule.partial_output =
        ::flashinfer::GetPtrFromBaseOffset<char>(buffers.partial, info.v_offset);
    schedule.partial_lse =
        ::flashinfer::GetPtrFromBaseOffset<float>(buffers.partial, info.s_offset);
  }
  if (info.enable_cuda_graph) {
    schedule.valid = At<bool>(buffers, info.block_valid_mask_offset);
    schedule.valid_rows = At<uint32_t>(buffers, info.total_num_rows_offset);
  }
  return schedule;
}

}  // namespace vattention::flashinfer
