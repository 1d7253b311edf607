// A plan of FlashAttention-3: decoding rows in one launch, prompts and chunks in as few as their
// rows allow. Which kernels serve them: kernel_choice.h.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_3_PLAN_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_3_PLAN_H_

#include <span>
#include <vector>

#include "attention/cuda/device_plan.h"
#include "attention/flash_attention_3/launch.h"

namespace vattention::flash_attention_3 {

class Plan final : public attention::cuda::DevicePlan {
 public:
  Plan(attention::Problem problem, const vattn_config& config, const vattn_limits& limits);

 private:
  using RowGroup = attention::cuda::RowGroup;

  void AllocateOwn() override;
  uint64_t OwnBytes() const override;
  std::vector<RowGroup> Arrange(const attention::cuda::Pass& pass) override;
  vattn_status PlanGroups(std::span<const RowGroup> groups, vattn_error* error) override;
  void AfterUpload() override;
  attention::cuda::LseLayout Attend(size_t index, const attention::cuda::LayerCall& call) override;

  bool e4m3() const { return problem().shape.dtype == VATTN_FLOAT8_E4M3; }
  Launch PlanLaunch(const RowGroup& group, int32_t* schedule, float* gathered) const;
  // A scale as kernels find it: as it is where it is one for all slots, else gathered to `place`.
  SequenceScale ScaleOf(const attention::cuda::HeadScale& scale, const float* place) const;
  void GatherScalesOf(const RowGroup& group, const Launch& launch) const;
  // The group's queries in e4m3.
  attention::cuda::RowTensor Quantized(const RowGroup& group,
                                       const attention::cuda::LayerCall& call) const;

  // Of each group, what does not change between layers.
  struct GroupPlan {
    Launch launch;
    int32_t first_slot;  // keys begin there
  };
  std::vector<GroupPlan> plans_;
  attention::cuda::DeviceBuffer schedule_;  // of all groups of a pass, one after the other
  int64_t partial_rows_ = 0;                // room for splits x rows
  attention::cuda::DeviceBuffer partial_output_;
  attention::cuda::DeviceBuffer partial_lse_;
  // Over an e4m3 cache.
  attention::cuda::DeviceBuffer gathered_scales_;  // of all groups: query, key, value
  attention::cuda::DeviceBuffer quantized_;        // queries of a group
};

}  // namespace vattention::flash_attention_3

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_3_PLAN_H_
