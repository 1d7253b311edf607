#include <cutlass/numeric_types.h>

#include <cmath>

#include "attention/flash_attention_2/splits.h"
#include "bench/native/device_array.h"
#include "bench/native/raw_attention.h"
#include "flash.h"

// In the backend's library.
namespace FLASH_NAMESPACE {
template <>
void run_mha_fwd_<cutlass::bfloat16_t, 128, true>(Flash_fwd_params&, cudaStream_t);
extern template void run_mha_fwd_splitkv_dispatch<cutlass::bfloat16_t, 128, false>(
    Flash_fwd_params&, cudaStream_t);
}  // namespace FLASH_NAMESPACE

namespace vattention::bench {
namespace {

using Parameters = FLASH_NAMESPACE::Flash_fwd_params;

constexpr int32_t kTileKeys = 128;  // of the split-KV kernel for a head dimension of 128

int32_t RoundUp(int32_t value, int32_t step) { return (value + step - 1) / step * step; }

class RawFlashAttention2 final : public RawAttention {
 public:
  explicit RawFlashAttention2(const RawProblem& problem) : problem_(problem) {
    const int32_t rows = problem.prefill ? problem.length : problem.sequences;
    lse_ = DeviceBuffer(static_cast<size_t>(rows) * kQueryHeads * sizeof(float) + 64);
    parameters_.is_bf16 = true;
    parameters_.b = problem.sequences;
    parameters_.h_k = kKvHeads;
    parameters_.d = parameters_.d_rounded = kHeadDim;
    parameters_.q_ptr = problem.query;
    parameters_.o_ptr = problem.output;
    parameters_.k_head_stride = parameters_.v_head_stride = kHeadDim;
    parameters_.k_row_stride = parameters_.v_row_stride = kKvRow;
    parameters_.k_batch_stride = parameters_.v_batch_stride = problem.slot_rows * kKvRow;
    parameters_.seqlen_k = problem.length;
    parameters_.seqlen_k_rounded = RoundUp(problem.length, 128);
    parameters_.page_block_size = 1;
    parameters_.scale_softmax = problem.scale;
    parameters_.scale_softmax_log2 = problem.scale * static_cast<float>(M_LOG2E);
    parameters_.p_dropout = parameters_.rp_dropout = 1;
    parameters_.p_dropout_in_uint8_t = 255;
    parameters_.scale_softmax_rp_dropout = problem.scale;
    parameters_.softmax_lse_ptr = lse_.data();
    if (problem.prefill) {
      SetPrefill();
    } else {
      SetDecode();
    }
    parameters_.seqlen_q_rounded = RoundUp(parameters_.seqlen_q, 128);
  }

  std::string Kernel() const override {
    return problem_.prefill ? "run_mha_fwd_, causal"
                            : "run_mha_fwd_splitkv_dispatch, packed group, " +
                                  std::to_string(parameters_.num_splits) + " splits";
  }

  void Launch(int32_t layer, cudaStream_t stream) override {
    parameters_.k_ptr = problem_.key[static_cast<size_t>(layer)];
    parameters_.v_ptr = problem_.value[static_cast<size_t>(layer)];
    if (problem_.prefill) {
      FLASH_NAMESPACE::run_mha_fwd_<cutlass::bfloat16_t, kHeadDim, true>(parameters_, stream);
    } else {
      FLASH_NAMESPACE::run_mha_fwd_splitkv_dispatch<cutlass::bfloat16_t, kHeadDim, false>(
          parameters_, stream);
    }
  }

 private:
  // One prompt among packed rows: lengths in arrays.
  void SetPrefill() {
    query_start_ = Upload<int32_t>({0, problem_.length});
    key_start_ = Upload<int32_t>({0, 0});
    key_length_ = Upload<int32_t>({problem_.length});
    parameters_.h = kQueryHeads;
    parameters_.h_h_k_ratio = kQueryHeads / kKvHeads;
    parameters_.seqlen_q = parameters_.total_q = problem_.length;
    parameters_.q_row_stride = parameters_.o_row_stride = kQueryRow;
    parameters_.q_head_stride = parameters_.o_head_stride = kHeadDim;
    parameters_.cu_seqlens_q = query_start_.data<int32_t>();
    parameters_.unpadded_lse = true;
    parameters_.is_seqlens_k_cumulative = true;
    parameters_.cu_seqlens_k = key_start_.data<int32_t>();
    parameters_.seqused_k = key_length_.data<int32_t>();
    parameters_.is_causal = true;
    parameters_.window_size_left = problem_.length;
    parameters_.window_size_right = 0;
    parameters_.num_splits = 1;
  }

  // The query heads of a KV head as its queries, which reads keys once.
  void SetDecode() {
    constexpr int32_t kGroup = kQueryHeads / kKvHeads;
    const auto sequences = static_cast<size_t>(problem_.sequences);
    key_length_ = Upload(std::vector<int32_t>(sequences, problem_.length));
    std::vector<int32_t> slots(sequences);
    for (size_t i = 0; i < sequences; ++i) slots[i] = static_cast<int32_t>(i);
    slot_ = Upload(slots);
    parameters_.h = kKvHeads;
    parameters_.h_h_k_ratio = 1;
    parameters_.seqlen_q = kGroup;
    parameters_.total_q = problem_.sequences;
    parameters_.q_row_stride = parameters_.o_row_stride = kHeadDim;
    parameters_.q_head_stride = parameters_.o_head_stride = kGroup * kHeadDim;
    parameters_.q_batch_stride = parameters_.o_batch_stride = kQueryRow;
    parameters_.cu_seqlens_k = key_length_.data<int32_t>();
    parameters_.cache_batch_idx = slot_.data<int32_t>();
    parameters_.window_size_left = parameters_.window_size_right = -1;
    parameters_.num_splits = flash_attention_2::ChooseSplits(
        int64_t{problem_.sequences} * kKvHeads, 2 * problem_.multiprocessors,
        (problem_.length + kTileKeys - 1) / kTileKeys, flash_attention_2::kMaxSplits);
    const size_t partials = sequences * kQueryHeads * static_cast<size_t>(parameters_.num_splits);
    partial_output_ = DeviceBuffer(partials * kHeadDim * sizeof(float));
    partial_lse_ = DeviceBuffer(partials * sizeof(float));
    parameters_.oaccum_ptr = partial_output_.data();
    parameters_.softmax_lseaccum_ptr = partial_lse_.data();
  }

  const RawProblem problem_;
  Parameters parameters_{};
  DeviceBuffer lse_, query_start_, key_start_, key_length_, slot_, partial_output_, partial_lse_;
};

}  // namespace

std::unique_ptr<RawAttention> MakeRawFlashAttention2(const RawProblem& problem) {
  return std::make_unique<RawFlashAttention2>(problem);
}

}  // namespace vattention::bench
