// A plan of FlashInfer: decoding rows in one launch, prompts and chunks in one for each run of
// neighbouring rows, so that neither is cut into tiles that fit the other.
#ifndef VATTENTION_ATTENTION_FLASHINFER_PLAN_H_
#define VATTENTION_ATTENTION_FLASHINFER_PLAN_H_

#include <utility>
#include <vector>

#include "attention/cuda/device_plan.h"
#include "attention/flashinfer/hopper.h"
#include "attention/flashinfer/launch.h"
#include "attention/flashinfer/page_geometry.h"
#include "attention/flashinfer/page_indices.h"
#include "attention/flashinfer/tile_schedule.h"

namespace vattention::flashinfer {

// What serves prompts and chunks.
enum class PrefillKernel {
  kAmpere,  // in the style of FlashAttention-2: every GPU since compute capability 8.0
  kHopper,  // in the style of FlashAttention-3: 9.0 only
};

class Plan : public attention::cuda::DevicePlan {
 public:
  Plan(attention::Problem problem, const vattn_config& config, const vattn_limits& limits,
       PrefillKernel prefill = PrefillKernel::kAmpere);

 private:
  using RowGroup = attention::cuda::RowGroup;
  enum class Kernel { kPrefill, kDecode, kHopper };
  // What does not change between layers.
  struct GroupPlan {
    Kernel kernel;
    Launch launch;
    TileSchedule tiles;     // kPrefill, kDecode
    HopperSchedule hopper;  // kHopper
  };

  void AllocateOwn() override;
  uint64_t OwnBytes() const override;
  std::vector<RowGroup> Arrange(const attention::cuda::Pass& pass) override;
  vattn_status PlanGroups(std::span<const RowGroup> groups, vattn_error* error) override;
  void AfterUpload() override;
  attention::cuda::LseLayout Attend(size_t index, const attention::cuda::LayerCall& call) override;
  size_t LseElements(int64_t rows, int64_t count) const override;
  // Upstream's kernels know no strides of output.
  bool DenseOutput() const override { return true; }

  // Tokens of a page: a block of a paged cache.
  int32_t PageTokens() const;
  int64_t LongestPages() const;
  // Rows of query in a pass, at most.
  int64_t MaxRows() const;
  // Groups of a pass, at most.
  int64_t MaxGroups() const;
  // Thread blocks of the prefill kernel that run at once, for each KV head, as upstream counts
  // them.
  int32_t BlocksAtOnce() const;
  // Of one row a sequence, in the prefill kernel: rows of a tile, and tiles for each KV head.
  int32_t DecodeTile() const;
  int64_t DecodeTiles() const;
  bool MayUseCudaCores() const;
  Kernel KernelOf(const RowGroup& group) const;
  // Bytes of a schedule.
  size_t GroupBytes(Kernel kernel, int64_t sequences, int64_t rows) const;
  size_t MaxScheduleBytes() const;
  size_t MaxPartialBytes() const;

  Launch MakeLaunch(const RowGroup& group) const;
  // Stages the group's pages behind the `*pages` of the groups before. False: too many tokens.
  bool StagePages(const RowGroup& group, size_t starts, size_t place, int64_t* pages);
  void MakeSchedule(const RowGroup& group, size_t starts, GroupPlan* plan);
  // Of groups()[index], on the device, but for where they are written.
  PageIndices IndicesOf(size_t index) const;
  // Stages the indices of all groups where they are few. `pages`: of all groups.
  void StageIndices(int64_t pages);

  const PrefillKernel prefill_;
  // Pages of a part of the keys that decoding rows are divided into, whatever their batch; 0: as
  // suits the batch.
  int32_t split_pages_ = 0;
  CacheGeometry geometry_;
  std::vector<GroupPlan> plans_;
  std::vector<int32_t> query_start_;  // on the host, of the group at hand
  std::vector<int32_t> kv_length_;    // likewise
  // Of all groups, one after the other; page_start_ has one more for each.
  attention::cuda::Staged<int32_t> page_start_;
  attention::cuda::Staged<int32_t> last_page_tokens_;
  attention::cuda::DeviceBuffer partial_;
  // For each of geometry_.steps: those of all groups, one after the other. They stay where they
  // are, for captured graphs.
  std::vector<attention::cuda::DeviceBuffer> page_indices_;
  // Few indices are staged instead; NULL: they are not few.
  const int32_t* staged_indices_ = nullptr;
};

// The same with the kernels for Hopper.
class HopperPlan final : public Plan {
 public:
  HopperPlan(attention::Problem problem, const vattn_config& config, const vattn_limits& limits)
      : Plan(std::move(problem), config, limits, PrefillKernel::kHopper) {}
};

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_PLAN_H_
