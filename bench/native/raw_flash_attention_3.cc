#include <cutlass/numeric_types.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "bench/native/device_array.h"
#include "bench/native/raw_attention.h"
#include "flash.h"
// Upstream's rules.
#include "heuristics.h"
#include "tile_size.h"

// In the backend's library: <device, elements, head dims, split, page table by copies, soft cap,
// packed>.
#define VATTN_KERNEL(SPLIT, COPIES, PACKED)                                                  \
  extern template void run_mha_fwd_<90, cutlass::bfloat16_t, 128, 128, SPLIT, COPIES, false, \
                                    PACKED>(Flash_fwd_params&, cudaStream_t);
VATTN_KERNEL(false, false, false)
VATTN_KERNEL(false, true, true)
VATTN_KERNEL(true, true, true)
#undef VATTN_KERNEL
extern template void run_mha_fwd_combine_<cutlass::bfloat16_t, float, 128>(Flash_fwd_params&,
                                                                           cudaStream_t, bool);

namespace vattention::bench {
namespace {

using Element = cutlass::bfloat16_t;

constexpr int kMaxSplits = 128;

int32_t RoundUp(int32_t value, int32_t step) { return (value + step - 1) / step * step; }

class RawFlashAttention3 final : public RawAttention {
 public:
  explicit RawFlashAttention3(const RawProblem& problem) : problem_(problem) {
    const int32_t rows = problem.prefill ? problem.length : problem.sequences;
    lse_ = DeviceBuffer(static_cast<size_t>(rows) * kQueryHeads * sizeof(float) + 64);
    Flash_fwd_params& p = parameters_;
    p.is_bf16 = true;
    p.arch = 90;
    p.num_sm = problem.multiprocessors;
    p.b = problem.sequences;
    p.h = kQueryHeads;
    p.h_k = kKvHeads;
    p.d = p.d_rounded = p.dv = p.dv_rounded = kHeadDim;
    p.q_ptr = problem.query;
    p.o_ptr = problem.output;
    p.q_row_stride = p.o_row_stride = kQueryRow;
    p.q_head_stride = p.o_head_stride = kHeadDim;
    p.k_head_stride = p.v_head_stride = kHeadDim;
    p.k_row_stride = p.v_row_stride = kKvRow;
    p.v_dim_stride = 1;
    p.k_batch_stride = p.v_batch_stride = problem.slot_rows * kKvRow;
    p.seqlen_q = problem.prefill ? problem.length : 1;
    p.total_q = rows;
    p.q_batch_stride = p.o_batch_stride = p.seqlen_q * kQueryRow;
    p.page_size = 1;
    p.num_splits = 1;
    p.scale_softmax = problem.scale;
    p.p_dropout = p.rp_dropout = 1;
    p.p_dropout_in_uint8_t = 255;
    p.softmax_lse_ptr = lse_.data();
    if (problem.prefill) {
      SetPrefill();
    } else {
      SetDecode();
    }
    p.total_k = p.seqlen_k;
    p.seqlen_q_rounded = RoundUp(p.seqlen_q, 128);
    p.seqlen_k_rounded = RoundUp(p.seqlen_k, 128);
  }

  std::string Kernel() const override {
    return problem_.prefill ? "run_mha_fwd_, TMA, causal"
                            : "run_mha_fwd_, a page for each slot, at most " +
                                  std::to_string(parameters_.num_splits) + " splits";
  }

  void Prepare(cudaStream_t stream) override {
    if (problem_.prefill) return;
    prepare_varlen_num_blocks(parameters_, stream, /*packgqa=*/true, tile_rows_, tile_keys_,
                              /*enable_pdl=*/false);
    Check(cudaGetLastError(), "prepare_varlen_num_blocks");
  }

  void Launch(int32_t layer, cudaStream_t stream) override {
    parameters_.k_ptr = problem_.key[static_cast<size_t>(layer)];
    parameters_.v_ptr = problem_.value[static_cast<size_t>(layer)];
    if (parameters_.num_splits == 1) {
      Check(cudaMemsetAsync(parameters_.tile_count_semaphore, 0, sizeof(int32_t), stream),
            "cudaMemsetAsync");
    }
    if (problem_.prefill) {
      run_mha_fwd_<90, Element, 128, 128, false, false, false, false>(parameters_, stream);
    } else if (parameters_.num_splits == 1) {
      run_mha_fwd_<90, Element, 128, 128, false, true, false, true>(parameters_, stream);
    } else {
      run_mha_fwd_<90, Element, 128, 128, true, true, false, true>(parameters_, stream);
      run_mha_fwd_combine_<Element, float, 128>(parameters_, stream, /*enable_pdl=*/true);
    }
  }

 private:
  void SetPrefill() {
    Flash_fwd_params& p = parameters_;
    p.b_k = problem_.sequences;
    p.seqlen_k = problem_.length;
    p.is_causal = true;
    p.window_size_left = problem_.length - 1;
    p.window_size_right = 0;
    schedule_ = DeviceBuffer(sizeof(int32_t));
    p.tile_count_semaphore = schedule_.data<int32_t>();
  }

  // Through a page table, which keeps the kernel off what lies behind a sequence: a page is a slot.
  void SetDecode() {
    Flash_fwd_params& p = parameters_;
    const auto sequences = static_cast<size_t>(problem_.sequences);
    key_length_ = Upload(std::vector<int32_t>(sequences, problem_.length));
    std::vector<int32_t> slots(sequences);
    for (size_t i = 0; i < sequences; ++i) slots[i] = static_cast<int32_t>(i);
    page_table_ = Upload(slots);
    p.b_k = problem_.sequences;
    p.seqused_k = key_length_.data<int32_t>();
    p.page_table = page_table_.data<int32_t>();
    p.page_table_batch_stride = 1;
    p.page_size = static_cast<int>(problem_.slot_rows);
    p.num_pages = problem_.sequences;
    p.seqlen_k = p.page_size;
    p.window_size_left = problem_.length - 1;
    p.window_size_right = 0;
    p.pack_gqa = true;

    const auto tile = tile_size_fwd_sm90(kHeadDim, kHeadDim, /*is_causal=*/false,
                                         /*is_local=*/false, sizeof(Element),
                                         /*v_colmajor=*/false, /*paged_kv_non_TMA=*/true);
    tile_rows_ = std::get<0>(tile);
    tile_keys_ = std::get<1>(tile);
    const int row_tiles = (kQueryHeads / kKvHeads + tile_rows_ - 1) / tile_rows_;
    // Of a batch with lengths, upstream's rule sees one sequence: a bound for its scheduler.
    p.num_splits = num_splits_heuristic(
        kKvHeads * row_tiles, problem_.multiprocessors,
        (problem_.length + tile_keys_ - 1) / tile_keys_, row_tiles,
        problem_.length * 2 * kHeadDim * static_cast<int>(sizeof(Element)), false, kMaxSplits);
    const int64_t splits = p.num_splits;
    const size_t partials = sequences * kQueryHeads * static_cast<size_t>(splits);
    partial_output_ = DeviceBuffer(partials * kHeadDim * sizeof(float));
    partial_lse_ = DeviceBuffer(partials * sizeof(float));
    p.oaccum_ptr = partial_output_.data();
    p.oaccum_row_stride = p.oaccum_head_stride = kHeadDim;
    p.oaccum_batch_stride = kQueryRow;
    p.oaccum_split_stride = problem_.sequences * kQueryRow;
    p.softmax_lseaccum_ptr = partial_lse_.data();
    p.lseaccum_head_stride = 1;
    p.lseaccum_batch_stride = kQueryHeads;
    p.lseaccum_split_stride = problem_.sequences * int64_t{kQueryHeads};

    const int32_t step = RoundUp(problem_.sequences, 4);
    schedule_ = DeviceBuffer(static_cast<size_t>(3 * step + 4) * sizeof(int32_t));
    Check(cudaMemset(schedule_.data(), 0, schedule_.bytes()), "cudaMemset");
    p.varlen_sort_batches = true;
    p.num_splits_dynamic_ptr = schedule_.data<int32_t>();
    p.num_m_blocks_ptr = p.num_splits_dynamic_ptr + step;
    p.varlen_batch_idx_ptr = p.num_m_blocks_ptr + step;
    p.tile_count_semaphore = p.varlen_batch_idx_ptr + step;
    p.tile_count_semaphore_offset = 3 * step;
    p.prepare_varlen_pdl = true;
    p.skip_scheduler_metadata_computation = true;
  }

  const RawProblem problem_;
  Flash_fwd_params parameters_{};
  int tile_rows_ = 0;
  int tile_keys_ = 0;
  DeviceBuffer lse_, schedule_, key_length_, page_table_, partial_output_, partial_lse_;
};

}  // namespace

std::unique_ptr<RawAttention> MakeRawFlashAttention3(const RawProblem& problem) {
  return std::make_unique<RawFlashAttention3>(problem);
}

}  // namespace vattention::bench
