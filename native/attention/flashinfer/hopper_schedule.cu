#include <flashinfer/attention/scheduler.cuh>

#include "attention/cuda/cuda_error.h"
#include "attention/flashinfer/hopper.h"

namespace vattention::flashinfer {

namespace {

// Arrays of a schedule with an entry for each piece of work, and the padding of each.
constexpr int64_t kArrays = 7;
constexpr int64_t kPadding = 16;
// Tiles of a head beyond which upstream makes one schedule for all heads, for another kernel.
constexpr int64_t kMaxTiles = 4096;

int64_t Tiles(int64_t sequences, int64_t rows, int64_t head_dim) {
  const int64_t tile = head_dim == 64 ? 192 : 128;
  return (rows + tile - 1) / tile + sequences - 1;
}

}  // namespace

bool FitsHopperSchedule(int64_t sequences, int64_t rows, int64_t head_dim) {
  return Tiles(sequences, rows, head_dim) <= kMaxTiles;
}

size_t HopperScheduleBytes(int64_t sequences, int64_t rows, int64_t query_heads, int64_t head_dim,
                           int64_t multiprocessors) {
  const int64_t work = Tiles(sequences, rows, head_dim) * query_heads;
  const int64_t numbers = kArrays * work + multiprocessors + 1;
  return static_cast<size_t>(numbers * int64_t{sizeof(int32_t)} + (kArrays + 1) * kPadding);
}

HopperSchedule MakeHopperSchedule(const ScheduleInput& input, const int32_t* kv_length, bool causal,
                                  const ScheduleBuffers& buffers, cudaStream_t stream) {
  ::flashinfer::PrefillPlanSM90Info info;
  attention::cuda::Check(
      ::flashinfer::PrefillSM90Plan<int32_t>(
          buffers.partial, buffers.partial_bytes, buffers.device, buffers.host, buffers.bytes, info,
          const_cast<int32_t*>(input.query_start), const_cast<int32_t*>(input.page_start),
          const_cast<int32_t*>(kv_length), static_cast<uint32_t>(input.rows),
          static_cast<uint32_t>(input.sequences), static_cast<uint32_t>(input.query_heads),
          static_cast<uint32_t>(input.kv_heads), static_cast<uint32_t>(input.head_dim),
          static_cast<uint32_t>(input.head_dim), static_cast<uint32_t>(input.page_tokens), causal,
          /*enable_cuda_graph=*/false, static_cast<uint32_t>(input.element_bytes), stream),
      "FlashInfer's PrefillSM90Plan");
  const auto at = [&](int64_t offset) {
    return ::flashinfer::GetPtrFromBaseOffset<int32_t>(buffers.device, offset);
  };
  HopperSchedule schedule{};
  schedule.work_start = at(info.work_indptr_offset);
  schedule.head = at(info.head_indices_offset);
  schedule.query_tile = at(info.qo_tile_indices_offset);
  schedule.query_start = at(info.qo_indptr_offset);
  schedule.query_length = at(info.qo_len_offset);
  schedule.page_start = at(info.kv_indptr_offset);
  schedule.kv_length = at(info.kv_len_offset);
  schedule.sequence = at(info.batch_indices_offset);
  return schedule;
}

}  // namespace vattention::flashinfer
