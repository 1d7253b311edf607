// A plan of PagedAttention: decoding rows go to vLLM's kernels over the block tables. These have no
// prefill: a whole prompt goes to FlashAttention-2 over its fresh K and V, before or beside their
// way into the cache; a chunk behind a cached prefix is gathered from the blocks first.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_PLAN_H_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_PLAN_H_

#include <cstdint>
#include <vector>

#include "attention/cuda/device_plan.h"
#include "attention/paged_attention/decode.h"
#include "attention/paged_attention/pool.h"

namespace vattention::paged_attention {

class Plan final : public attention::cuda::DevicePlan {
 public:
  Plan(attention::Problem problem, const vattn_config& config, const vattn_limits& limits);

 private:
  using LayerCall = attention::cuda::LayerCall;
  using LseLayout = attention::cuda::LseLayout;
  using RowGroup = attention::cuda::RowGroup;

  struct GroupPlan {
    KernelVersion version;  // of decoding rows
    // Of a prefill group:
    bool whole;  // prompts from their first token on
    const int32_t* first_token;
    int32_t tokens;  // of all, in whole blocks
  };

  void AllocateOwn() override;
  uint64_t OwnBytes() const override;
  std::vector<RowGroup> Arrange(const attention::cuda::Pass& pass) override;
  vattn_status PlanGroups(std::span<const RowGroup> groups, vattn_error* error) override;
  LseLayout Attend(size_t index, const LayerCall& call) override;
  void AppendRows(const LayerCall& call) override;

  int64_t InBlocks(int64_t tokens) const;
  vattn_status CheckPool(vattn_error* error) const;
  Pool PoolOf(const LayerCall& call) const;
  LseLayout AttendDecoding(const RowGroup& group, KernelVersion version, const LayerCall& call);
  void EnqueueInParts(Decode decode, float* lse, cudaStream_t stream);
  LseLayout AttendPrompts(const RowGroup& group, const GroupPlan& plan, const LayerCall& call);

  const bool always_two_;  // log-sum-exps and rows that depend on no other need version two
  std::vector<GroupPlan> plans_;
  attention::cuda::Staged<int32_t> first_token_;  // of all prefill groups, one after the other
  attention::cuda::DeviceBuffer one_;             // the number 1, for kernels that want a scale
  // Decoding rows in the form that the kernels want, where the caller's tensors have gaps.
  attention::cuda::DeviceBuffer dense_query_;
  attention::cuda::DeviceBuffer dense_output_;
  // Version two: room for sequences x query heads x partitions.
  int64_t partition_rows_ = 0;
  attention::cuda::DeviceBuffer partition_max_;
  attention::cuda::DeviceBuffer partition_sum_;
  attention::cuda::DeviceBuffer partition_output_;
  // K and V of prefill groups out of their blocks.
  int64_t gathered_tokens_ = 0;
  attention::cuda::DeviceBuffer gathered_key_;
  attention::cuda::DeviceBuffer gathered_value_;
};

}  // namespace vattention::paged_attention

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_PLAN_H_
