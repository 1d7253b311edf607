#include "attention/flash_attention_2/plan.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "attention/common/error.h"
#include "attention/flash_attention_2/splits.h"

namespace vattention::flash_attention_2 {

using attention::Fail;
using attention::Problem;
using attention::cuda::DeviceBuffer;
using attention::cuda::LayerCall;
using attention::cuda::LseLayout;
using attention::cuda::Pass;
using attention::cuda::RowGroup;

namespace {

// Thread blocks of 128 threads that a multiprocessor runs at once, as upstream's rule assumes.
constexpr int32_t kBlocksPerMultiprocessor = 2;
// Partial results are kept for this many waves of thread blocks; splits that need more are not
// made.
constexpr int64_t kPartialWaves = 8;

int32_t Tiles(int32_t length, int32_t tile) { return (length + tile - 1) / tile; }

// How many rows of keys lie between two slots, or 0 when it is no whole number.
int64_t SlotRows(const vattn_tensor& tensor) {
  return tensor.stride[1] > 0 && tensor.stride[0] % tensor.stride[1] == 0
             ? tensor.stride[0] / tensor.stride[1]
             : 0;
}

}  // namespace

Plan::Plan(Problem problem, const vattn_config& config, const vattn_limits& limits)
    : DevicePlan(std::move(problem), config, limits) {}

bool Plan::PacksGroup() const {
  return problem().group > 1 && problem().window == 0 && problem().alibi.empty();
}

int64_t Plan::DecodeBlocks(int32_t sequences) const {
  if (!PacksGroup()) return static_cast<int64_t>(sequences) * problem().query_heads;
  return static_cast<int64_t>(sequences) * problem().shape.kv_heads *
         Tiles(problem().group, kSplitTileRows);
}

void Plan::AllocateOwn() {
  key_start_ = staging().Add<int32_t>(2 * static_cast<size_t>(problem().max_sequences) + 1);
  if (problem().batch_invariant) return;
  const int64_t blocks = kPartialWaves * kBlocksPerMultiprocessor * multiprocessors();
  const int64_t rows_of_block = PacksGroup() ? std::min(problem().group, kSplitTileRows) : 1;
  partial_rows_ = blocks * rows_of_block;
  const auto rows = static_cast<size_t>(partial_rows_);
  partial_output_ =
      DeviceBuffer(rows * static_cast<size_t>(problem().shape.head_dim) * sizeof(float));
  partial_lse_ = DeviceBuffer(rows * sizeof(float));
}

uint64_t Plan::OwnBytes() const { return partial_output_.bytes() + partial_lse_.bytes(); }

std::vector<RowGroup> Plan::Arrange(const Pass& pass) {
  std::vector<RowGroup> groups = PrefillRuns(pass);
  groups.insert(groups.begin(), DecodeRows(pass));
  return groups;
}

int32_t Plan::ChooseDecodeSplits(const RowGroup& group) const {
  if (problem().batch_invariant) return 1;
  const int64_t room =
      partial_rows_ / (static_cast<int64_t>(group.count()) * problem().query_heads);
  if (room < 2) return 1;
  return ChooseSplits(DecodeBlocks(group.count()), kBlocksPerMultiprocessor * multiprocessors(),
                      Tiles(group.max_kv, SplitTileKeys(problem().shape.head_dim)),
                      static_cast<int32_t>(std::min<int64_t>(room, kMaxSplits)));
}

vattn_status Plan::PlanGroups(std::span<const RowGroup> groups, vattn_error* error) {
  plans_.clear();
  size_t starts = 0;
  const bool paged = problem().cache_kind == VATTN_PAGED;
  for (const RowGroup& group : groups) {
    const bool decode = group.max_query == 1;
    Launch launch{};
    launch.form = KernelForm::kSplit;
    launch.dtype = problem().dtype;
    launch.head_dim = problem().shape.head_dim;
    launch.query_heads = problem().query_heads;
    launch.kv_heads = problem().shape.kv_heads;
    launch.sequences = group.count();
    launch.rows = group.rows;
    launch.max_query = group.max_query;
    launch.max_key = std::max(1, group.max_kv);
    launch.scale = problem().scale;
    launch.causal = problem().causal;
    launch.window = problem().window;
    launch.soft_cap = problem().soft_cap;
    launch.alibi = alibi();
    launch.key_length = group.kv_length;
    launch.query_start = decode ? nullptr : group.query_start;
    launch.splits = decode ? ChooseDecodeSplits(group) : 1;
    launch.partial_output = partial_output_.data<float>();
    launch.partial_lse = partial_lse_.data<float>();
    if (paged) {
      launch.block_table = group.block_table;
      launch.block_table_stride = group.block_table_stride;
      launch.block_tokens = problem().block_tokens;
    } else {
      launch.slot = group.slot;
    }
    const int64_t slot_rows = paged ? 0 : SlotRows(view().key[0]);
    if (!decode && slot_rows > 0 && slot_rows == SlotRows(view().value[0])) {
      // The plain kernel knows rows, and no slots: each sequence begins at its slot's first row.
      const int64_t last = slot_rows * view().key[0].shape[0];
      if (last > std::numeric_limits<int32_t>::max()) {
        return Fail(error, VATTN_UNSUPPORTED,
                    "FlashAttention-2 counts rows in 31 bits: at most 2147483647 rows in all slots "
                    "required, found %lld. Lower the cache's maxSequences or maxLength.",
                    static_cast<long long>(last));
      }
      launch.form = KernelForm::kPlain;
      int32_t* start = staging().Host(key_start_) + starts;
      launch.key_start = staging().Device(key_start_) + starts;
      for (const int32_t member : group.members) {
        *start++ =
            static_cast<int32_t>(slot_rows * pass().sequences[static_cast<size_t>(member)].slot);
      }
      *start = 0;  // read, and of no meaning
      starts += group.members.size() + 1;
    }
    plans_.push_back({launch});
  }
  return VATTN_OK;
}

LseLayout Plan::Attend(size_t index, const LayerCall& call) {
  Launch launch = plans_[index].launch;
  launch.query = call.query;
  launch.output = call.output;
  launch.key = call.key_cache->data;
  launch.key_slot_stride = call.key_cache->stride[0];
  launch.key_row_stride = call.key_cache->stride[1];
  launch.key_head_stride = call.key_cache->stride[2];
  launch.value = call.value_cache->data;
  launch.value_slot_stride = call.value_cache->stride[0];
  launch.value_row_stride = call.value_cache->stride[1];
  launch.value_head_stride = call.value_cache->stride[2];
  launch.lse = call.lse;
  Enqueue(launch, call.stream);
  return LayoutOfLse(launch);
}

}  // namespace vattention::flash_attention_2
