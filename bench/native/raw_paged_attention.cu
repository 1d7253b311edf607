#include <algorithm>

#include "attention/attention_kernels.cuh"
#include "bench/native/device_array.h"
#include "bench/native/raw_attention.h"

namespace vattention::bench {
namespace {

using Element = __nv_bfloat16;

constexpr auto kAsQuery = vllm::Fp8KVCacheDataType::kAuto;
constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;
constexpr int kPartition = 512;
// vLLM's rule: the first version serves short sequences, where there are heads enough.
constexpr int kLongestOfV1 = 8192;
constexpr int kHeadsOfV1 = 512;

int CeilDiv(int value, int step) { return (value + step - 1) / step; }

template <int kBlockTokens>
class RawPagedAttention final : public RawAttention {
 public:
  explicit RawPagedAttention(const RawProblem& problem) : problem_(problem) {
    table_stride_ = static_cast<int>(problem.block_table.size()) / problem.sequences;
    block_table_ = Upload(problem.block_table);
    key_length_ =
        Upload(std::vector<int32_t>(static_cast<size_t>(problem.sequences), problem.length));
    one_ = Upload<float>({1});
    partitions_ = CeilDiv(problem.length, kPartition);
    first_version_ = problem.length <= kLongestOfV1 &&
                     (partitions_ == 1 || problem.sequences * kQueryHeads > kHeadsOfV1);
    if (first_version_) {
      const int logits = CeilDiv(problem.length, kBlockTokens) * kBlockTokens;
      shared_bytes_ = std::max(logits * 4, kWarps / 2 * kHeadDim * 4);
      Check(cudaFuncSetAttribute(V1(), cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes_),
            "cudaFuncSetAttribute");
      return;
    }
    shared_bytes_ = std::max(kPartition * 4, kWarps / 2 * kHeadDim * 4);
    const size_t partials =
        static_cast<size_t>(problem.sequences) * kQueryHeads * static_cast<size_t>(partitions_);
    sums_ = DeviceBuffer(partials * sizeof(float));
    most_ = DeviceBuffer(partials * sizeof(float));
    partial_output_ = DeviceBuffer(partials * kHeadDim * sizeof(Element));
  }

  std::string Kernel() const override {
    return std::string("paged_attention_v") + (first_version_ ? "1" : "2") + "_kernel, blocks of " +
           std::to_string(kBlockTokens);
  }

  void Launch(int32_t layer, cudaStream_t stream) override {
    auto* query = static_cast<Element*>(problem_.query);
    auto* output = static_cast<Element*>(problem_.output);
    auto* key = static_cast<Element*>(problem_.key[static_cast<size_t>(layer)]);
    auto* value = static_cast<Element*>(problem_.value[static_cast<size_t>(layer)]);
    constexpr int kHeadStride = kHeadDim * kBlockTokens;
    constexpr int kBlockStride = kKvHeads * kHeadStride;
    const auto* lengths = key_length_.data<int32_t>();
    const auto* table = block_table_.data<int32_t>();
    const auto* one = one_.data<float>();
    if (first_version_) {
      V1()<<<dim3(kQueryHeads, problem_.sequences, 1), kThreads, shared_bytes_, stream>>>(
          output, query, key, value, kKvHeads, problem_.scale, table, lengths, table_stride_,
          nullptr, kQueryRow, kBlockStride, kHeadStride, one, one, 0, 0, 0, 0, 0);
    } else {
      auto* sums = sums_.data<float>();
      auto* most = most_.data<float>();
      auto* partial = partial_output_.data<Element>();
      vllm::paged_attention_v2_kernel<Element, Element, kHeadDim, kBlockTokens, kThreads, kAsQuery,
                                      false, kPartition>
          <<<dim3(kQueryHeads, problem_.sequences, partitions_), kThreads, shared_bytes_, stream>>>(
              sums, most, partial, query, key, value, kKvHeads, problem_.scale, table, lengths,
              table_stride_, nullptr, kQueryRow, kBlockStride, kHeadStride, one, one, 0, 0, 0, 0,
              0);
      vllm::paged_attention_v2_reduce_kernel<Element, kHeadDim, kThreads, kPartition>
          <<<dim3(kQueryHeads, problem_.sequences), kThreads, 2 * partitions_ * sizeof(float),
             stream>>>(output, sums, most, partial, lengths, partitions_);
    }
    Check(cudaGetLastError(), "paged_attention_kernel");
  }

 private:
  static auto V1() {
    return vllm::paged_attention_v1_kernel<Element, Element, kHeadDim, kBlockTokens, kThreads,
                                           kAsQuery, false>;
  }

  const RawProblem problem_;
  int table_stride_ = 0;
  int partitions_ = 0;
  int shared_bytes_ = 0;
  bool first_version_ = false;
  DeviceBuffer block_table_, key_length_, one_, sums_, most_, partial_output_;
};

}  // namespace

std::unique_ptr<RawAttention> MakeRawPagedAttention(const RawProblem& problem) {
  switch (problem.block_tokens) {
    case 8:
      return std::make_unique<RawPagedAttention<8>>(problem);
    case 16:
      return std::make_unique<RawPagedAttention<16>>(problem);
    default:
      return std::make_unique<RawPagedAttention<32>>(problem);
  }
}

}  // namespace vattention::bench
