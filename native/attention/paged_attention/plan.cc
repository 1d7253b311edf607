#include "attention/paged_attention/plan.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "attention/common/error.h"
#include "attention/cuda/row_copy.h"
#include "attention/flash_attention_2/packed_prefill.h"
#include "attention/paged_attention/append.h"
#include "attention/paged_attention/gather.h"
#include "attention/paged_attention/partition_lse.h"
#include "attention/paged_attention/scale_rows.h"

namespace vattention::paged_attention {

using attention::Fail;
using attention::Problem;
using attention::cuda::Check;
using attention::cuda::DeviceBuffer;
using attention::cuda::Pass;
using attention::cuda::PassSequence;
using attention::cuda::RowTensor;

namespace {

// Partial results are kept for this many rows, or for one sequence of the longest: more go in
// several launches, each of which fills the device many times over.
constexpr int64_t kPartitionRows = 1 << 18;
// K and V are gathered for this many tokens at a time, or for one sequence of the longest.
constexpr int64_t kGatheredTokens = 1 << 15;

bool IsOneNumber(const HeadScale& scale) {
  return scale.slot_stride == 0 && scale.head_stride == 0;
}

bool IsDense(const RowTensor& rows, int64_t heads, int64_t dim) {
  return rows.head_stride == dim && rows.row_stride == heads * dim;
}

}  // namespace

Plan::Plan(Problem made, const vattn_config& config, const vattn_limits& limits)
    : DevicePlan(std::move(made), config, limits),
      always_two_(problem().needs_lse || problem().batch_invariant) {}

int64_t Plan::InBlocks(int64_t tokens) const {
  const int64_t block = problem().block_tokens;
  return (tokens + block - 1) / block * block;
}

void Plan::AllocateOwn() {
  const auto sequences = static_cast<size_t>(problem().max_sequences);
  first_token_ = staging().Add<int32_t>(2 * sequences + 1);

  constexpr float kOne = 1;
  one_ = DeviceBuffer(sizeof(kOne));
  Check(cudaMemcpy(one_.data(), &kOne, sizeof(kOne), cudaMemcpyHostToDevice), "cudaMemcpy");

  const auto dim = static_cast<size_t>(problem().shape.head_dim);
  const auto heads = static_cast<size_t>(problem().query_heads);
  const size_t rows = std::min(sequences, static_cast<size_t>(problem().max_tokens));
  const size_t row_bytes = heads * dim * sizeof(uint16_t);
  dense_query_ = DeviceBuffer(rows * row_bytes);
  dense_output_ = DeviceBuffer(rows * row_bytes);

  const int64_t longest = std::min(problem().max_length, problem().shape.max_length);
  const int64_t of_one = problem().query_heads * int64_t{Partitions(longest)};
  partition_rows_ = std::max(of_one, std::min(of_one * static_cast<int64_t>(rows), kPartitionRows));
  const auto partitions = static_cast<size_t>(partition_rows_);
  partition_max_ = DeviceBuffer(partitions * sizeof(float));
  partition_sum_ = DeviceBuffer(partitions * sizeof(float));
  partition_output_ = DeviceBuffer(partitions * dim * sizeof(uint16_t));

  // A plan whose sequences have one new token each gathers nothing.
  if (graph() || problem().max_tokens == 1) return;
  gathered_tokens_ = std::max(
      InBlocks(longest), std::min(InBlocks(longest) * static_cast<int64_t>(rows), kGatheredTokens));
  const size_t bytes = static_cast<size_t>(gathered_tokens_) *
                       static_cast<size_t>(problem().shape.kv_heads) * dim * sizeof(uint16_t);
  gathered_key_ = DeviceBuffer(bytes);
  gathered_value_ = DeviceBuffer(bytes);
}

uint64_t Plan::OwnBytes() const {
  uint64_t bytes = 0;
  for (const DeviceBuffer* buffer :
       {&one_, &dense_query_, &dense_output_, &partition_max_, &partition_sum_, &partition_output_,
        &gathered_key_, &gathered_value_}) {
    bytes += buffer->bytes();
  }
  return bytes;
}

// Decoding rows in one group; prompts in runs of neighbouring rows of one kind, no longer than what
// is gathered at a time.
std::vector<attention::cuda::RowGroup> Plan::Arrange(const Pass& pass) {
  std::vector<RowGroup> groups = {attention::cuda::DecodeRows(pass)};
  bool open = false;
  bool whole = false;
  int64_t tokens = 0;
  for (size_t i = 0; i < pass.sequences.size(); ++i) {
    const PassSequence& sequence = pass.sequences[i];
    if (sequence.query == 0) continue;
    if (sequence.query == 1 || sequence.kv == 0) {
      open = false;
      continue;
    }
    const bool fresh = sequence.query == sequence.kv;
    const int64_t own = InBlocks(sequence.kv);
    if (!open || fresh != whole || tokens + own > gathered_tokens_) {
      groups.emplace_back();
      groups.back().first_row = sequence.first_row;
      tokens = 0;
    }
    open = true;
    whole = fresh;
    tokens += own;
    RowGroup& group = groups.back();
    group.members.push_back(static_cast<int32_t>(i));
    group.rows += sequence.query;
    group.max_query = std::max(group.max_query, sequence.query);
    group.max_kv = std::max(group.max_kv, sequence.kv);
  }
  return groups;
}

// The kernels take a block's inner strides for granted, and one distance for keys and values.
vattn_status Plan::CheckPool(vattn_error* error) const {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const int64_t tokens = problem().block_tokens;
  for (int32_t layer = 0; layer < problem().shape.layers; ++layer) {
    const vattn_tensor& key = view().key[layer];
    const vattn_tensor& value = view().value[layer];
    const int64_t x = key.shape[4];
    const bool dense = key.stride[3] == x && key.stride[2] == x * tokens &&
                       value.stride[2] == tokens && key.stride[1] == value.stride[1] &&
                       key.stride[0] == value.stride[0] && key.stride[0] <= kMost;
    if (!dense) {
      return Fail(
          error, VATTN_UNSUPPORTED,
          "PagedAttention reads blocks without gaps inside, keys as far apart as values and "
          "less than 2^31 elements: the cache's tensors of layer %d lie in another way.",
          layer);
    }
  }
  return VATTN_OK;
}

vattn_status Plan::PlanGroups(std::span<const RowGroup> groups, vattn_error* error) {
  if (vattn_status status = CheckPool(error)) return status;
  plans_.clear();
  size_t place = 0;
  for (const RowGroup& group : groups) {
    GroupPlan plan{};
    if (group.max_query == 1) {
      plan.version = always_two_
                         ? KernelVersion::kTwo
                         : ChooseVersion(group.count(), problem().query_heads, group.max_kv);
    } else {
      plan.first_token = staging().Device(first_token_) + place;
      for (const int32_t member : group.members) {
        const PassSequence& sequence = pass().sequences[static_cast<size_t>(member)];
        plan.whole = sequence.query == sequence.kv;
        staging().Host(first_token_)[place++] = plan.tokens;
        plan.tokens += static_cast<int32_t>(InBlocks(sequence.kv));
      }
      staging().Host(first_token_)[place++] = plan.tokens;
    }
    plans_.push_back(plan);
  }
  return VATTN_OK;
}

Pool Plan::PoolOf(const LayerCall& call) const {
  return {call.key_cache->data,      call.value_cache->data, call.key_cache->stride[0],
          call.key_cache->stride[1], problem().shape.dtype,  problem().shape.kv_heads,
          problem().shape.head_dim,  problem().block_tokens, scales().key(),
          scales().value()};
}

void Plan::AppendRows(const LayerCall& call) {
  AppendToBlocks(MakeAppend(call), PoolOf(call), call.stream);
}

attention::cuda::LseLayout Plan::Attend(size_t index, const LayerCall& call) {
  const RowGroup& group = groups()[index];
  const GroupPlan& plan = plans_[index];
  if (group.max_query > 1) return AttendPrompts(group, plan, call);
  return AttendDecoding(group, call.wants_lse ? KernelVersion::kTwo : plan.version, call);
}

attention::cuda::LseLayout Plan::AttendDecoding(const RowGroup& group, KernelVersion version,
                                                const LayerCall& call) {
  const int32_t heads = problem().query_heads;
  const int32_t dim = problem().shape.head_dim;
  const auto dense = [&](const DeviceBuffer& buffer) {
    return RowTensor{buffer.data(), int64_t{heads} * dim, dim};
  };
  ScaleArguments scale{};
  scale.dtype = problem().dtype;
  scale.rows = group.rows;
  scale.heads = heads;
  scale.dim = dim;
  scale.group = problem().group;
  scale.slot = group.slot;

  // Scales that differ between heads are applied outside of the kernels.
  const bool fold_key = !IsOneNumber(scales().key());
  const bool fold_value = !IsOneNumber(scales().value());
  RowTensor query = call.query;
  if (fold_key) {
    scale.from = query;
    scale.to = query = dense(dense_query_);
    scale.scale = scales().key();
    ScaleRows(scale, call.stream);
  } else if (query.head_stride != dim) {
    query = dense(dense_query_);
    attention::cuda::GatherRows(call.query, nullptr, group.rows, heads, dim, query, call.stream);
  }
  const bool gaps = !IsDense(call.output, heads, dim);
  const RowTensor output = gaps ? dense(dense_output_) : call.output;

  const auto number = [&](const HeadScale& own, bool folded) {
    return own.data == nullptr || folded ? one_.data<float>() : own.data;
  };
  Decode decode{};
  decode.version = version;
  decode.dtype = problem().dtype;
  decode.cache_dtype = problem().shape.dtype;
  decode.head_dim = dim;
  decode.query_heads = heads;
  decode.kv_heads = problem().shape.kv_heads;
  decode.sequences = group.count();
  decode.max_length = group.max_kv;
  decode.scale = problem().scale;
  decode.alibi = alibi();
  decode.query = query.data;
  decode.query_stride = query.row_stride;
  decode.output = output.data;
  decode.key_cache = call.key_cache->data;
  decode.value_cache = call.value_cache->data;
  decode.block_tokens = problem().block_tokens;
  decode.block_stride = static_cast<int32_t>(call.key_cache->stride[0]);
  decode.head_stride = static_cast<int32_t>(call.key_cache->stride[1]);
  decode.key_scale = number(scales().key(), fold_key);
  decode.value_scale = number(scales().value(), fold_value);
  decode.block_table = group.block_table;
  decode.table_stride = group.block_table_stride;
  decode.length = group.kv_length;
  decode.partition_max = partition_max_.data<float>();
  decode.partition_sum = partition_sum_.data<float>();
  decode.partition_output = partition_output_.data();
  EnqueueInParts(decode, call.wants_lse ? call.lse : nullptr, call.stream);

  if (fold_value) {
    scale.from = output;
    scale.to = call.output;
    scale.scale = scales().value();
    ScaleRows(scale, call.stream);
  } else if (gaps) {
    attention::cuda::ScatterRows(output, nullptr, group.rows, heads, dim, call.output, call.stream);
  }
  LseLayout layout{};
  layout.row_stride = heads;
  layout.head_stride = 1;
  return layout;
}

// As many sequences at a time as there is room for partial results, and as the kernels can count.
void Plan::EnqueueInParts(Decode decode, float* lse, cudaStream_t stream) {
  const int32_t all = decode.sequences;
  int64_t most = SequencesAtOnce(decode);
  if (decode.version == KernelVersion::kTwo) {
    const int64_t partitions = std::max(1, Partitions(decode.max_length));
    most = std::clamp<int64_t>(partition_rows_ / (decode.query_heads * partitions), 1, most);
  }
  const int64_t row_bytes = decode.head_dim * int64_t{sizeof(uint16_t)};
  for (int32_t first = 0; first < all; first += decode.sequences) {
    decode.sequences = static_cast<int32_t>(std::min<int64_t>(most, all - first));
    EnqueueDecode(decode, stream);
    if (lse != nullptr) {
      EnqueuePartitionLse(decode, lse + int64_t{first} * decode.query_heads, stream);
    }
    decode.query = static_cast<const char*>(decode.query) +
                   decode.sequences * decode.query_stride * int64_t{sizeof(uint16_t)};
    decode.output =
        static_cast<char*>(decode.output) + decode.sequences * decode.query_heads * row_bytes;
    decode.block_table += decode.sequences * decode.table_stride;
    decode.length += decode.sequences;
  }
}

attention::cuda::LseLayout Plan::AttendPrompts(const RowGroup& group, const GroupPlan& plan,
                                               const LayerCall& call) {
  const int32_t heads = problem().shape.kv_heads;
  const int32_t dim = problem().shape.head_dim;
  flash_attention_2::PackedPrefill prefill{};
  prefill.dtype = problem().dtype;
  prefill.head_dim = dim;
  prefill.query_heads = problem().query_heads;
  prefill.kv_heads = heads;
  prefill.sequences = group.count();
  prefill.rows = group.rows;
  prefill.max_query = group.max_query;
  prefill.max_key = group.max_kv;
  prefill.scale = problem().scale;
  prefill.causal = problem().causal;
  prefill.alibi = alibi();
  prefill.query = call.query;
  prefill.output = call.output;
  prefill.query_start = group.query_start;
  prefill.key_length = group.kv_length;
  prefill.lse = call.lse;
  // What an e4m3 cache holds is not what was given: later tokens will see the cache's.
  const bool fresh =
      plan.whole && call.key.data != nullptr && problem().shape.dtype == problem().dtype;
  if (fresh) {
    prefill.key = call.key;
    prefill.value = call.value;
    prefill.key_start = group.query_start;
  } else {
    GatherArguments gather{};
    gather.pool = PoolOf(call);
    gather.dtype = problem().dtype;
    gather.key = gathered_key_.data();
    gather.value = gathered_value_.data();
    gather.sequences = group.count();
    gather.first_token = plan.first_token;
    gather.tokens = plan.tokens;
    gather.kv_length = group.kv_length;
    gather.slot = group.slot;
    gather.table = group.block_table;
    gather.table_stride = group.block_table_stride;
    GatherBlocks(gather, call.stream);
    prefill.key = {gathered_key_.data(), int64_t{heads} * dim, dim};
    prefill.value = {gathered_value_.data(), int64_t{heads} * dim, dim};
    prefill.key_start = plan.first_token;
  }
  return flash_attention_2::RunPackedPrefill(prefill, call.stream);
}

}  // namespace vattention::paged_attention
