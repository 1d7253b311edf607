#include "attention/flashinfer/plan.h"

#include <algorithm>
#include <limits>

#include "attention/common/error.h"
#include "attention/cuda/append.h"
#include "attention/cuda/unsupported.h"
#include "attention/flashinfer/decode.h"
#include "attention/flashinfer/dispatch.h"

namespace vattention::flashinfer {

using attention::Fail;
using attention::Problem;
using attention::cuda::DeviceBuffer;
using attention::cuda::LayerCall;
using attention::cuda::LseLayout;
using attention::cuda::Pass;
using attention::cuda::RowGroup;
using attention::cuda::RowTensor;
using attention::cuda::Unsupported;

namespace {

// Query heads of a KV head up to which decoding rows go to the kernel on CUDA cores. Tensor cores
// multiply tiles of 16 rows whatever is in them, so their time does not depend on the group, and at
// 4 they read keys 1.6 to 1.9 times as fast (H200: 4.4 against 2.3 to 2.8 TB/s). The other kernel
// does the group's multiplications one after the other.
constexpr int32_t kCudaCoreGroup = 1;
// Thread blocks of the prefill kernel that a multiprocessor runs at once, as upstream's plan
// assumes.
constexpr int64_t kBlocksPerMultiprocessor = 2;
// Rows of the largest tile.
constexpr int64_t kLargestTile = 128;
// In a plan whose rows do not depend on their batch, decoding rows' keys are divided into parts of
// one size: as many of the longest sequence as fit this memory, of at least so many tokens.
constexpr size_t kInvariantPartialBytes = size_t{128} << 20;
constexpr int64_t kInvariantParts = 64;
constexpr int64_t kInvariantTokens = 1024;
// Indices of pages up to which the host writes them, in less time than it launches a kernel.
constexpr int64_t kFewIndices = 4096;
// Upstream computes places of rows in 32 bits.
constexpr int64_t kMaxElements = std::numeric_limits<uint32_t>::max();

int64_t CeilDiv(int64_t value, int64_t step) { return (value + step - 1) / step; }

constexpr float kLn2 = 0.6931471805599453F;

void CheckRows(const RowTensor& query, int64_t rows, int64_t heads) {
  const int64_t end = rows * query.row_stride + heads * query.head_stride;
  if (end > kMaxElements || query.row_stride > std::numeric_limits<int32_t>::max()) {
    throw Unsupported(
        "query: FlashInfer computes places in 32 bits, so all rows of a pass within 2^32 elements "
        "required. Pass fewer tokens, or rows that lie closer.");
  }
}

}  // namespace

Plan::Plan(Problem problem, const vattn_config& config, const vattn_limits& limits,
           PrefillKernel prefill)
    : DevicePlan(std::move(problem), config, limits), prefill_(prefill) {}

int32_t Plan::PageTokens() const {
  return problem().cache_kind == VATTN_PAGED ? problem().block_tokens : kPageTokens;
}

int64_t Plan::LongestPages() const {
  return CeilDiv(std::min(problem().max_length, problem().shape.max_length), PageTokens());
}

int64_t Plan::MaxRows() const {
  const int64_t row = int64_t{problem().query_heads} * problem().shape.head_dim;
  return std::min<int64_t>(problem().max_tokens, kMaxElements / row);
}

int64_t Plan::MaxGroups() const {
  return std::min(problem().max_sequences, problem().max_tokens) + 1;
}

int32_t Plan::BlocksAtOnce() const {
  return static_cast<int32_t>(kBlocksPerMultiprocessor * multiprocessors() /
                              problem().shape.kv_heads);
}

int64_t Plan::DecodeTiles() const { return CeilDiv(problem().group, DecodeTile()); }

int32_t Plan::DecodeTile() const {
  return DecodeTileRows(problem().group, problem().shape.head_dim);
}

bool Plan::MayUseCudaCores() const {
  return problem().group <= kCudaCoreGroup && problem().window == 0 && problem().soft_cap == 0 &&
         problem().alibi.empty() && !problem().batch_invariant &&
         problem().shape.dtype == problem().dtype &&
         // Upstream's plan of a captured batch has no room for sequences without keys (0.7.2).
         !graph();
}

Plan::Kernel Plan::KernelOf(const RowGroup& group) const {
  if (group.max_query == 1) {
    return MayUseCudaCores() && geometry_.same_strides ? Kernel::kDecode : Kernel::kPrefill;
  }
  if (prefill_ == PrefillKernel::kHopper && geometry_.same_strides &&
      FitsHopperSchedule(group.count(), group.rows, problem().shape.head_dim)) {
    return Kernel::kHopper;
  }
  return Kernel::kPrefill;
}

size_t Plan::GroupBytes(Kernel kernel, int64_t sequences, int64_t rows) const {
  if (kernel == Kernel::kHopper) {
    return HopperScheduleBytes(sequences, rows, problem().query_heads, problem().shape.head_dim,
                               multiprocessors());
  }
  const int64_t blocks =
      kernel == Kernel::kDecode ? kDecodeBlocksPerMultiprocessor : kBlocksPerMultiprocessor;
  const int64_t parts = split_pages_ > 0 ? CeilDiv(LongestPages(), split_pages_) : 1;
  return ScheduleBytes(sequences * DecodeTiles() * parts, rows, problem().group,
                       CeilDiv(blocks * multiprocessors(), problem().shape.kv_heads));
}

// Of any groups: a group's bytes are at most those of an empty one and its share of one of all.
size_t Plan::MaxScheduleBytes() const {
  const auto groups = static_cast<size_t>(MaxGroups());
  size_t bytes = 0;
  for (const Kernel kernel : {Kernel::kPrefill, Kernel::kDecode, Kernel::kHopper}) {
    if (kernel == Kernel::kDecode && !MayUseCudaCores()) continue;
    if (kernel == Kernel::kHopper && prefill_ != PrefillKernel::kHopper) continue;
    bytes += groups * (GroupBytes(kernel, 1, 1) + attention::cuda::Staging::kTailAlignment) +
             GroupBytes(kernel, problem().max_sequences, MaxRows());
  }
  return bytes;
}

size_t Plan::MaxPartialBytes() const {
  const int64_t heads = problem().query_heads;
  const int64_t kv_heads = problem().shape.kv_heads;
  const int64_t dim = problem().shape.head_dim;
  // Keys are divided only where thread blocks are fewer than run at once.
  const int64_t blocks = CeilDiv(kBlocksPerMultiprocessor * multiprocessors(), kv_heads);
  size_t bytes = PartialBytes(blocks, kLargestTile, heads, kv_heads, dim);
  const int64_t tile = DecodeTile();
  if (graph()) {
    // There all are parts, as many as the sequences at least.
    const int64_t tiles = problem().graph_sequences * DecodeTiles();
    bytes = std::max(bytes, PartialBytes(std::max(blocks, tiles), tile, heads, kv_heads, dim));
  }
  if (split_pages_ > 0) {
    const int64_t parts = CeilDiv(LongestPages(), split_pages_);
    const int64_t tiles = problem().max_sequences * DecodeTiles() * parts;
    bytes = std::max(bytes, PartialBytes(tiles, tile, heads, kv_heads, dim));
  }
  if (MayUseCudaCores()) {
    // Sequences without keys come on top of the parts that it counts.
    const int64_t decode =
        CeilDiv(int64_t{kDecodeBlocksPerMultiprocessor} * multiprocessors(), kv_heads) +
        problem().max_sequences;
    bytes = std::max(bytes, PartialBytes(decode, 1, heads, kv_heads, dim));
  }
  return bytes;
}

void Plan::AllocateOwn() {
  // The rows of a captured plan stay whole: whether any is divided is part of the graph.
  if (problem().batch_invariant && !graph()) {
    const size_t one =
        PartialBytes(problem().max_sequences * DecodeTiles(), DecodeTile(), problem().query_heads,
                     problem().shape.kv_heads, problem().shape.head_dim);
    const auto parts =
        std::clamp(static_cast<int64_t>(kInvariantPartialBytes / one), int64_t{1}, kInvariantParts);
    split_pages_ = static_cast<int32_t>(
        std::max(CeilDiv(LongestPages(), parts), CeilDiv(kInvariantTokens, PageTokens())));
  }
  const auto sequences = static_cast<size_t>(problem().max_sequences);
  page_start_ = staging().Add<int32_t>(sequences + static_cast<size_t>(MaxGroups()));
  last_page_tokens_ = staging().Add<int32_t>(sequences);
  staging().AddTail(MaxScheduleBytes() + kFewIndices * sizeof(int32_t));
  partial_ = DeviceBuffer(MaxPartialBytes());
  page_indices_.emplace_back(sequences * static_cast<size_t>(LongestPages()) * sizeof(int32_t));
}

uint64_t Plan::OwnBytes() const {
  uint64_t bytes = partial_.bytes();
  for (const DeviceBuffer& buffer : page_indices_) bytes += buffer.bytes();
  return bytes;
}

size_t Plan::LseElements(int64_t rows, int64_t) const {
  return static_cast<size_t>(rows) * static_cast<size_t>(problem().query_heads);
}

std::vector<RowGroup> Plan::Arrange(const Pass& pass) {
  // Tiles are as tall as suits a group's average query, so that its sequences depend on each other.
  const bool apart = problem().batch_invariant;
  std::vector<RowGroup> groups =
      PrefillRuns(pass, [apart](const attention::cuda::PassSequence&) { return apart; });
  groups.insert(groups.begin(), DecodeRows(pass));
  return groups;
}

Launch Plan::MakeLaunch(const RowGroup& group) const {
  Launch launch{};
  launch.dtype = problem().dtype;
  launch.cache_dtype = problem().shape.dtype;
  launch.head_dim = problem().shape.head_dim;
  launch.query_heads = problem().query_heads;
  launch.kv_heads = problem().shape.kv_heads;
  launch.sequences = group.count();
  launch.rows = group.rows;
  // One row sees all keys, whatever the mask.
  launch.causal = problem().causal || group.max_query == 1;
  launch.scale = problem().scale;
  launch.window = problem().window;
  launch.soft_cap = problem().soft_cap;
  launch.alibi = alibi();
  launch.page_tokens = PageTokens();
  launch.query_start = group.query_start;
  launch.key_scale = scales().key();
  launch.value_scale = scales().value();
  launch.slot = group.slot;
  return launch;
}

bool Plan::StagePages(const RowGroup& group, size_t starts, size_t place, int64_t* pages) {
  int32_t* page_start = staging().Host(page_start_) + starts;
  int32_t* last_page_tokens = staging().Host(last_page_tokens_) + place;
  query_start_.assign(1, 0);
  kv_length_.clear();
  for (const int32_t member : group.members) {
    const attention::cuda::PassSequence& sequence = pass().sequences[static_cast<size_t>(member)];
    const int64_t count = CeilDiv(sequence.kv, PageTokens());
    *page_start++ = static_cast<int32_t>(*pages);
    *last_page_tokens++ =
        count == 0 ? 0 : static_cast<int32_t>(sequence.kv - (count - 1) * PageTokens());
    *pages += count;
    // Upstream counts pages, and the tokens of all, in 32 bits.
    if (*pages > std::numeric_limits<int32_t>::max() || *pages * PageTokens() > kMaxElements) {
      return false;
    }
    query_start_.push_back(query_start_.back() + sequence.query);
    kv_length_.push_back(sequence.kv);
  }
  *page_start = static_cast<int32_t>(*pages);
  return true;
}

void Plan::MakeSchedule(const RowGroup& group, size_t starts, GroupPlan* plan) {
  ScheduleInput input{};
  input.query_start = query_start_.data();
  input.page_start = staging().Host(page_start_) + starts;
  input.sequences = group.count();
  input.rows = group.rows;
  input.query_heads = problem().query_heads;
  input.kv_heads = problem().shape.kv_heads;
  input.head_dim = problem().shape.head_dim;
  input.page_tokens = PageTokens();
  input.element_bytes = attention::ElementBytes(problem().dtype);
  input.cache_element_bytes = attention::ElementBytes(problem().shape.dtype);
  input.window = problem().window;
  input.graph = graph();
  const bool decode = group.max_query == 1;
  input.split_pages = decode ? split_pages_ : 0;
  // With a window upstream divides the keys up to a query, and without a mask those after it are
  // seen, too. A captured plan cannot change between whole and divided.
  input.whole =
      (problem().window > 0 && !plan->launch.causal) || (problem().batch_invariant && graph());
  ScheduleBuffers buffers{};
  buffers.host = staging().Host(staging().tail());
  buffers.device = staging().Device(staging().tail());
  buffers.bytes = GroupBytes(plan->kernel, group.count(), group.rows);
  buffers.partial = partial_.data();
  buffers.partial_bytes = partial_.bytes();
  switch (plan->kernel) {
    case Kernel::kPrefill:
      input.blocks = BlocksAtOnce();
      plan->tiles = MakeTileSchedule(input, buffers);
      staging().Take(plan->tiles.bytes);
      return;
    case Kernel::kDecode:
      plan->tiles = PlanDecode(problem().dtype, input, buffers, stream());
      break;
    case Kernel::kHopper:
      plan->hopper =
          MakeHopperSchedule(input, kv_length_.data(), plan->launch.causal, buffers, stream());
      break;
  }
  // Upstream has copied these to the device already.
  staging().Take(buffers.bytes);
}

vattn_status Plan::PlanGroups(std::span<const RowGroup> groups, vattn_error* error) {
  if (pass().rows > MaxRows()) {
    return Fail(error, VATTN_UNSUPPORTED,
                "FlashInfer computes places of rows in 32 bits: at most %lld rows of %d heads of "
                "%d required in a pass, found %d. Prepare fewer tokens at a time.",
                static_cast<long long>(MaxRows()), problem().query_heads, problem().shape.head_dim,
                pass().rows);
  }
  if (vattn_status status = MakeCacheGeometry(problem(), view(), &geometry_, error)) return status;
  while (page_indices_.size() < geometry_.steps.size()) {
    page_indices_.emplace_back(page_indices_.front().bytes());
  }
  plans_.clear();
  size_t starts = 0;
  size_t place = 0;
  int64_t pages = 0;
  for (const RowGroup& group : groups) {
    if (!StagePages(group, starts, place, &pages)) {
      staging().MarkCopied(stream());  // the schedules of the groups before
      return Fail(error, VATTN_UNSUPPORTED,
                  "FlashInfer counts the tokens of a pass in 32 bits: fewer than 2^32 in all its "
                  "sequences required. Prepare fewer sequences at a time.");
    }
    GroupPlan plan{};
    plan.kernel = KernelOf(group);
    plan.launch = MakeLaunch(group);
    plan.launch.page_start = staging().Device(page_start_) + starts;
    plan.launch.last_page_tokens = staging().Device(last_page_tokens_) + place;
    MakeSchedule(group, starts, &plan);
    plans_.push_back(plan);
    starts += group.members.size() + 1;
    place += group.members.size();
  }
  StageIndices(pages);
  return VATTN_OK;
}

PageIndices Plan::IndicesOf(size_t index) const {
  const RowGroup& group = groups()[index];
  PageIndices indices{};
  indices.sequences = group.count();
  indices.page_start = plans_[index].launch.page_start;
  indices.slot = group.slot;
  indices.block_table = group.block_table;
  indices.block_table_stride = group.block_table_stride;
  return indices;
}

void Plan::StageIndices(int64_t pages) {
  staged_indices_ = nullptr;
  // A captured plan has them in one place, whatever the batch.
  const int64_t most =
      graph() ? problem().graph_sequences * CeilDiv(problem().graph_max_length, PageTokens())
              : pages;
  if (geometry_.steps.size() > 1 || most > kFewIndices) return;
  const attention::cuda::Staged<int32_t> staged = {staging().tail().offset};
  for (size_t i = 0; i < plans_.size(); ++i) {
    PageIndices indices = IndicesOf(i);
    indices.page_start = staging().OnHost(indices.page_start);
    indices.slot = staging().OnHost(indices.slot);
    if (indices.block_table != nullptr) {
      indices.block_table = staging().OnHost(indices.block_table);
    }
    indices.steps = geometry_.steps.front();
    indices.page = staging().Host(staged);
    WritePageIndices(indices);
  }
  staged_indices_ = staging().Device(staged);
  staging().Take(static_cast<size_t>(pages) * sizeof(int32_t));
}

void Plan::AfterUpload() {
  if (staged_indices_ != nullptr) return;
  for (size_t i = 0; i < plans_.size(); ++i) {
    PageIndices indices = IndicesOf(i);
    for (size_t j = 0; j < geometry_.steps.size(); ++j) {
      indices.steps = geometry_.steps[j];
      indices.page = page_indices_[j].data<int32_t>();
      FillPageIndices(indices, stream());
    }
  }
}

LseLayout Plan::Attend(size_t index, const LayerCall& call) {
  const GroupPlan& plan = plans_[index];
  const PageGeometry& geometry = geometry_.layers[static_cast<size_t>(call.layer)];
  Launch launch = plan.launch;
  launch.query = call.query;
  launch.output = call.output;
  launch.lse = call.wants_lse ? call.lse : nullptr;
  const vattn_tensor& key = *call.key_cache;
  const vattn_tensor& value = *call.value_cache;
  launch.key = {key.data, geometry.key_page_stride, key.stride[1], key.stride[2]};
  launch.value = {value.data, geometry.value_page_stride, value.stride[1], value.stride[2]};
  launch.page =
      staged_indices_ != nullptr ? staged_indices_ : page_indices_[geometry.steps].data<int32_t>();
  CheckRows(launch.query, launch.rows, launch.query_heads);
  switch (plan.kernel) {
    case Kernel::kPrefill:
      EnqueuePrefill(launch, plan.tiles, call.stream);
      break;
    case Kernel::kDecode:
      EnqueueDecode(launch, plan.tiles, call.stream);
      break;
    case Kernel::kHopper:
      EnqueueHopper(launch, plan.hopper, call.stream);
      break;
  }
  return {.row_stride = problem().query_heads, .head_stride = 1, .factor = kLn2};
}

}  // namespace vattention::flashinfer
