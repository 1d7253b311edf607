#include <flashinfer/attention/default_prefill_params.cuh>
#include <flashinfer/attention/prefill.cuh>
#include <flashinfer/attention/scheduler.cuh>
#include <flashinfer/attention/variants.cuh>

#include "bench/native/device_array.h"
#include "bench/native/raw_attention.h"

namespace vattention::bench {
namespace {

using attention::cuda::PinnedBuffer;
using Element = nv_bfloat16;
using Variant = ::flashinfer::DefaultAttention</*custom mask*/ false, /*window*/ false,
                                               /*soft cap*/ false, /*ALiBi*/ false>;
using Parameters = ::flashinfer::BatchPrefillPagedParams<Element, Element, Element, int32_t>;
using ::flashinfer::GetPtrFromBaseOffset;
using ::flashinfer::MaskMode;

// As the backend cuts slots.
constexpr int32_t kPageTokens = 128;
// What the library's own wrappers take.
constexpr size_t kPartialBytes = size_t{384} << 20;
constexpr size_t kScheduleBytes = size_t{8} << 20;

// The kernel on tensor cores, for prompts and for single rows: with four query heads to a KV head
// it is the faster one for both. A contiguous slot is pages in order.
class RawFlashInfer final : public RawAttention {
 public:
  explicit RawFlashInfer(const RawProblem& problem)
      : problem_(problem),
        partial_(kPartialBytes),
        schedule_(kScheduleBytes),
        pinned_(kScheduleBytes) {
    const int32_t rows = problem.prefill ? problem.length : 1;
    const auto pages = static_cast<int32_t>((problem.length + kPageTokens - 1) / kPageTokens);
    const auto slot_pages = static_cast<int32_t>(problem.slot_rows / kPageTokens);
    std::vector<int32_t> query_start, page_start, page;
    for (int32_t i = 0; i <= problem.sequences; ++i) {
      query_start.push_back(i * rows);
      page_start.push_back(i * pages);
      if (i == problem.sequences) break;
      for (int32_t j = 0; j < pages; ++j) page.push_back(i * slot_pages + j);
    }
    const std::vector<int32_t> last(static_cast<size_t>(problem.sequences),
                                    problem.length - (pages - 1) * kPageTokens);
    query_start_ = Upload(query_start);
    page_start_ = Upload(page_start);
    page_ = Upload(page);
    last_page_ = Upload(last);
    Check(::flashinfer::PrefillPlan<int32_t>(
              partial_.data(), partial_.bytes(), schedule_.data(), pinned_.data(),
              schedule_.bytes(), info_, query_start.data(), page_start.data(),
              static_cast<uint32_t>(query_start.back()), static_cast<uint32_t>(problem.sequences),
              kQueryHeads, kKvHeads, kHeadDim, kHeadDim, kPageTokens, /*graph=*/false,
              sizeof(Element), /*window_left=*/-1, /*fixed_split=*/-1, /*no_split=*/false,
              /*colocated=*/0, /*uniform_query=*/-1, /*stream=*/nullptr),
          "PrefillPlan");
    Check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
    SetParameters();
  }

  std::string Kernel() const override {
    return "BatchPrefillWithPagedKVCacheDispatched, tiles of " + std::to_string(info_.cta_tile_q) +
           " rows, " + (info_.split_kv ? "split" : "not split") + ", pages of " +
           std::to_string(kPageTokens);
  }

  void Launch(int32_t layer, cudaStream_t stream) override {
    const int64_t strides[] = {kPageTokens * kKvRow, kKvRow, kHeadDim};
    parameters_.paged_kv = ::flashinfer::paged_kv_t<Element, int32_t>(
        kKvHeads, kPageTokens, kHeadDim, static_cast<uint32_t>(problem_.sequences),
        ::flashinfer::QKVLayout::kNHD,
        static_cast<Element*>(problem_.key[static_cast<size_t>(layer)]),
        static_cast<Element*>(problem_.value[static_cast<size_t>(layer)]), strides,
        page_.data<int32_t>(), page_start_.data<int32_t>(), last_page_.data<int32_t>());
    Check(
        problem_.prefill ? RunTiled<MaskMode::kCausal>(stream) : RunTiled<MaskMode::kNone>(stream),
        "BatchPrefillWithPagedKVCacheDispatched");
  }

 private:
  template <typename T>
  T* InSchedule(int64_t offset) {
    return GetPtrFromBaseOffset<T>(schedule_.data(), offset);
  }

  void SetParameters() {
    Parameters& p = parameters_;
    p.q = static_cast<Element*>(problem_.query);
    p.o = static_cast<Element*>(problem_.output);
    p.q_indptr = query_start_.data<int32_t>();
    p.lse = nullptr;
    p.group_size = ::flashinfer::uint_fastdiv(kQueryHeads / kKvHeads);
    p.num_qo_heads = kQueryHeads;
    p.q_stride_n = kQueryRow;
    p.q_stride_h = kHeadDim;
    p.window_left = -1;
    p.logits_soft_cap = 0;
    p.sm_scale = problem_.scale;
    p.request_indices = InSchedule<int32_t>(info_.request_indices_offset);
    p.qo_tile_indices = InSchedule<int32_t>(info_.qo_tile_indices_offset);
    p.kv_tile_indices = InSchedule<int32_t>(info_.kv_tile_indices_offset);
    p.o_indptr = InSchedule<int32_t>(info_.o_indptr_offset);
    p.kv_chunk_size_ptr = InSchedule<int32_t>(info_.kv_chunk_size_ptr_offset);
    p.max_total_num_rows = static_cast<uint32_t>(info_.total_num_rows);
    p.padded_batch_size = static_cast<uint32_t>(info_.padded_batch_size);
    p.partition_kv = info_.split_kv;
    if (!info_.split_kv) return;
    p.merge_indptr = InSchedule<int32_t>(info_.merge_indptr_offset);
    partial_output_ = GetPtrFromBaseOffset<Element>(partial_.data(), info_.v_offset);
    partial_lse_ = GetPtrFromBaseOffset<float>(partial_.data(), info_.s_offset);
  }

  template <MaskMode kMask>
  cudaError_t RunTiled(cudaStream_t stream) {
    switch (info_.cta_tile_q) {
      case 16:
        return Run<kMask, 16>(stream);
      case 64:
        return Run<kMask, 64>(stream);
      default:
        return Run<kMask, 128>(stream);
    }
  }

  template <MaskMode kMask, uint32_t kTileRows>
  cudaError_t Run(cudaStream_t stream) {
    return ::flashinfer::BatchPrefillWithPagedKVCacheDispatched<
        /*SAME_KV_STRIDES=*/true, kTileRows, kHeadDim, kHeadDim,
        ::flashinfer::PosEncodingMode::kNone, /*USE_FP16_QK_REDUCTION=*/false, kMask, Variant>(
        parameters_, partial_output_, partial_lse_, /*enable_pdl=*/false, stream);
  }

  const RawProblem problem_;
  DeviceBuffer partial_, schedule_, query_start_, page_start_, page_, last_page_;
  PinnedBuffer pinned_;
  ::flashinfer::PrefillPlanInfo info_;
  Parameters parameters_;
  Element* partial_output_ = nullptr;
  float* partial_lse_ = nullptr;
};

}  // namespace

std::unique_ptr<RawAttention> MakeRawFlashInfer(const RawProblem& problem) {
  return std::make_unique<RawFlashInfer>(problem);
}

}  // namespace vattention::bench
