// A plan of FlashAttention-2: decoding rows go to the split-KV kernels, prompts and chunks to the
// plain ones (contiguous) or to split-KV with one split (paged, whose tables only those read).
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_2_PLAN_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_2_PLAN_H_

#include "attention/cuda/device_plan.h"
#include "attention/flash_attention_2/launch.h"

namespace vattention::flash_attention_2 {

class Plan final : public attention::cuda::DevicePlan {
 public:
  Plan(attention::Problem problem, const vattn_config& config, const vattn_limits& limits);

 private:
  using RowGroup = attention::cuda::RowGroup;

  void AllocateOwn() override;
  uint64_t OwnBytes() const override;
  std::vector<RowGroup> Arrange(const attention::cuda::Pass& pass) override;
  vattn_status PlanGroups(std::span<const RowGroup> groups, vattn_error* error) override;
  attention::cuda::LseLayout Attend(size_t index, const attention::cuda::LayerCall& call) override;

  bool PacksGroup() const;
  // Thread blocks of a decoding group, before any split.
  int64_t DecodeBlocks(int32_t sequences) const;
  int32_t ChooseDecodeSplits(const RowGroup& group) const;

  // What does not change between layers.
  struct GroupPlan {
    Launch launch;
  };
  std::vector<GroupPlan> plans_;
  // Of prefill groups of a contiguous cache, one after the other: where each slot's rows begin.
  attention::cuda::Staged<int32_t> key_start_;
  int64_t partial_rows_ = 0;  // room for splits x sequences x query heads
  attention::cuda::DeviceBuffer partial_output_;
  attention::cuda::DeviceBuffer partial_lse_;
};

}  // namespace vattention::flash_attention_2

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_2_PLAN_H_
