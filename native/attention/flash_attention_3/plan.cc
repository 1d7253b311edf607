#include "attention/flash_attention_3/plan.h"

#include <algorithm>
#include <utility>

#include "attention/common/error.h"
#include "attention/flash_attention_3/e4m3.h"

namespace vattention::flash_attention_3 {

using attention::ElementBytes;
using attention::Fail;
using attention::Problem;
using attention::cuda::DeviceBuffer;
using attention::cuda::HeadScale;
using attention::cuda::LayerCall;
using attention::cuda::LseLayout;
using attention::cuda::Pass;
using attention::cuda::PassSequence;
using attention::cuda::RowGroup;
using attention::cuda::RowTensor;

namespace {

// Partial results take no more than this: rows that need more are attended to in fewer splits.
// Enough for 15 splits of 512 decoding sequences with 32 heads of 128.
constexpr int64_t kPartialBytes = int64_t{128} << 20;

// What asynchronous copies and TMA's descriptors, which are made of every cache, take.
constexpr uint64_t kAlignment = 16;
constexpr uint64_t kMaxStrideBytes = uint64_t{1} << 40;

bool Describable(const vattn_tensor& tensor) {
  if (reinterpret_cast<uintptr_t>(tensor.data) % kAlignment != 0) return false;
  return std::all_of(tensor.stride, tensor.stride + 3, [&](int64_t stride) {
    const uint64_t bytes =
        static_cast<uint64_t>(stride) * static_cast<uint64_t>(ElementBytes(tensor.dtype));
    return bytes % kAlignment == 0 && bytes < kMaxStrideBytes;
  });
}

vattn_status CheckDescribable(const vattn_cache_view& view, vattn_error* error) {
  for (int32_t layer = 0; layer < view.shape.layers; ++layer) {
    for (const vattn_tensor* tensor : {&view.key[layer], &view.value[layer]}) {
      if (Describable(*tensor)) continue;
      return Fail(error, VATTN_UNSUPPORTED,
                  "The cache's %s tensor of layer %d: an address and strides that are multiples of "
                  "16 bytes and strides below 2^40 bytes required, found address %p and strides of "
                  "%lld, %lld and %lld elements.",
                  tensor == &view.key[layer] ? "key" : "value", layer, tensor->data,
                  static_cast<long long>(tensor->stride[0]),
                  static_cast<long long>(tensor->stride[1]),
                  static_cast<long long>(tensor->stride[2]));
    }
  }
  return VATTN_OK;
}

}  // namespace

Plan::Plan(Problem problem, const vattn_config& config, const vattn_limits& limits)
    : DevicePlan(std::move(problem), config, limits) {}

void Plan::AllocateOwn() {
  // A group more than there are sequences, and what rounding adds to each.
  const auto sequences = static_cast<size_t>(problem().max_sequences);
  schedule_ =
      DeviceBuffer((sequences + 1) * static_cast<size_t>(ScheduleNumbers(1)) * sizeof(int32_t));
  if (e4m3()) {
    gathered_scales_ =
        DeviceBuffer(3 * sequences * static_cast<size_t>(problem().shape.kv_heads) * sizeof(float));
    quantized_ = DeviceBuffer(static_cast<size_t>(problem().max_tokens) *
                              static_cast<size_t>(problem().query_heads) *
                              static_cast<size_t>(problem().shape.head_dim));
  }

  const int32_t splits = MostSplits(problem(), multiprocessors());
  if (splits == 1) return;
  const int64_t row_floats = int64_t{problem().query_heads} * (problem().shape.head_dim + 1);
  const int64_t row_bytes = row_floats * static_cast<int64_t>(sizeof(float));
  const int64_t rows = graph() ? problem().graph_sequences : problem().max_tokens;
  partial_rows_ = std::min(int64_t{splits} * rows, kPartialBytes / row_bytes);
  const auto lse_bytes = static_cast<size_t>(partial_rows_) *
                         static_cast<size_t>(problem().query_heads) * sizeof(float);
  partial_lse_ = DeviceBuffer(lse_bytes);
  partial_output_ = DeviceBuffer(lse_bytes * static_cast<size_t>(problem().shape.head_dim));
}

uint64_t Plan::OwnBytes() const {
  return schedule_.bytes() + partial_output_.bytes() + partial_lse_.bytes() +
         gathered_scales_.bytes() + quantized_.bytes();
}

std::vector<RowGroup> Plan::Arrange(const Pass& pass) {
  // A long prompt gains by a launch of its own (Keys::kOneSlot), and nobody loses.
  const bool apart = problem().cache_kind == VATTN_CONTIGUOUS && !problem().batch_invariant;
  std::vector<RowGroup> groups = PrefillRuns(pass, [&](const PassSequence& sequence) {
    return apart && FillsDevice(problem(), sequence.query, multiprocessors());
  });
  groups.insert(groups.begin(), DecodeRows(pass));
  return groups;
}

SequenceScale Plan::ScaleOf(const HeadScale& scale, const float* place) const {
  if (scale.slot_stride == 0) return {scale.data, 0, scale.head_stride};
  return {place, problem().shape.kv_heads, 1};
}

Launch Plan::PlanLaunch(const RowGroup& group, int32_t* schedule, float* gathered) const {
  const vattn_tensor& key = view().key[0];
  Launch launch{};
  launch.kernel = ChooseKernel(problem(), pass(), group,
                               {.multiprocessors = multiprocessors(),
                                .partial_rows = partial_rows_,
                                .tail_rows = view().tail_rows,
                                .finite_tail = view().finite_tail != 0,
                                .fixed = graph()});
  launch.dtype = problem().shape.dtype;
  launch.head_dim = problem().shape.head_dim;
  launch.query_heads = problem().query_heads;
  launch.kv_heads = problem().shape.kv_heads;
  launch.scale = problem().scale;
  launch.soft_cap = problem().soft_cap;
  launch.multiprocessors = multiprocessors();
  launch.sequences = group.count();
  launch.rows = group.rows;
  launch.max_query = group.max_query;
  launch.max_key = std::max(1, group.max_kv);
  launch.slots = static_cast<int32_t>(key.shape[0]);
  launch.schedule = schedule;
  if (e4m3()) {
    const int64_t each = int64_t{group.count()} * problem().shape.kv_heads;
    launch.query_scale = ScaleOf(scales().query(), gathered);
    launch.key_scale = ScaleOf(scales().key(), gathered + each);
    launch.value_scale = ScaleOf(scales().value(), gathered + 2 * each);
  }
  launch.partial_output = partial_output_.data<float>();
  launch.partial_lse = partial_lse_.data<float>();
  if (launch.kernel.keys == Keys::kOneSlot) return launch;
  launch.key_length = group.kv_length;
  if (group.max_query > 1) launch.query_start = group.query_start;
  if (launch.kernel.keys == Keys::kSlots) {
    launch.slot = group.slot;
  } else if (problem().cache_kind == VATTN_PAGED) {
    launch.table = group.block_table;
    launch.table_stride = group.block_table_stride;
    launch.page_tokens = problem().block_tokens;
  } else {
    // The identity: one page per sequence, its slot.
    launch.table = group.slot;
    launch.table_stride = 1;
    launch.page_tokens = static_cast<int32_t>(key.shape[1]);
  }
  return launch;
}

vattn_status Plan::PlanGroups(std::span<const RowGroup> groups, vattn_error* error) {
  if (vattn_status status = CheckDescribable(view(), error)) return status;
  plans_.clear();
  int32_t* schedule = schedule_.data<int32_t>();
  auto* gathered = gathered_scales_.data<float>();
  for (const RowGroup& group : groups) {
    GroupPlan plan{PlanLaunch(group, schedule, gathered), 0};
    if (plan.launch.kernel.keys == Keys::kOneSlot) {
      plan.first_slot = pass().sequences[static_cast<size_t>(group.members[0])].slot;
    }
    plans_.push_back(plan);
    schedule += ScheduleNumbers(group.count());
    if (e4m3()) gathered += int64_t{3} * group.count() * problem().shape.kv_heads;
  }
  return VATTN_OK;
}

void Plan::GatherScalesOf(const RowGroup& group, const Launch& launch) const {
  const auto gather = [&](const HeadScale& from, const SequenceScale& to) {
    if (from.slot_stride == 0) return;
    GatherScales(from, group.slot, group.count(), problem().shape.kv_heads,
                 const_cast<float*>(to.data), stream());
  };
  gather(scales().query(), launch.query_scale);
  gather(scales().key(), launch.key_scale);
  gather(scales().value(), launch.value_scale);
}

void Plan::AfterUpload() {
  for (size_t i = 0; i < plans_.size(); ++i) {
    EnqueueSchedule(plans_[i].launch, stream());
    if (e4m3()) GatherScalesOf(groups()[i], plans_[i].launch);
  }
}

RowTensor Plan::Quantized(const RowGroup& group, const LayerCall& call) const {
  const int64_t dim = problem().shape.head_dim;
  QuantizeQueries({.query = call.query,
                   .rows = group.rows,
                   .heads = problem().query_heads,
                   .dim = problem().shape.head_dim,
                   .group = problem().group,
                   .sequences = group.count(),
                   .first_row = group.query_start,
                   .slot = group.slot,
                   .scale = scales().query(),
                   .quantized = quantized_.data()},
                  call.stream);
  return {quantized_.data(), problem().query_heads * dim, dim};
}

LseLayout Plan::Attend(size_t index, const LayerCall& call) {
  const GroupPlan& plan = plans_[index];
  const auto first = [&](const vattn_tensor& tensor) {
    return static_cast<const char*>(tensor.data) +
           plan.first_slot * tensor.stride[0] * ElementBytes(tensor.dtype);
  };
  Launch launch = plan.launch;
  launch.query = e4m3() ? Quantized(groups()[index], call) : call.query;
  launch.output = call.output;
  launch.key = first(*call.key_cache);
  launch.key_slot_stride = call.key_cache->stride[0];
  launch.key_row_stride = call.key_cache->stride[1];
  launch.key_head_stride = call.key_cache->stride[2];
  launch.value = first(*call.value_cache);
  launch.value_slot_stride = call.value_cache->stride[0];
  launch.value_row_stride = call.value_cache->stride[1];
  launch.value_head_stride = call.value_cache->stride[2];
  launch.lse = call.lse;
  Enqueue(launch, call.stream);
  return LayoutOfLse(launch);
}

}  // namespace vattention::flash_attention_3
