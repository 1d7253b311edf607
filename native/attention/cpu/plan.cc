#include "attention/cpu/plan.h"

#include <algorithm>
#include <utility>

#include "attention/common/batch_check.h"
#include "attention/common/config_check.h"
#include "attention/common/error.h"
#include "attention/common/tensor_check.h"

namespace vattention::cpu {

using attention::CheckBatch;
using attention::CheckTensor;
using attention::CheckView;
using attention::Fail;

namespace {

constexpr attention::Device kCpu = {VATTN_DEVICE_CPU, 0};

// Room for partial results: all splits of one decoding sequence of the longest length, and up to
// 16 MiB for more of them. Units that find no room are not cut.
int64_t PartialCapacity(const Problem& problem, int32_t threads) {
  if (threads == 1) return 0;
  const int32_t group = problem.group;
  const int32_t rows = group <= kSharedRows ? group * problem.shape.kv_heads : group;
  const int64_t longest = std::min(problem.max_length, problem.shape.max_length);
  const int64_t splits = (longest + kSplitTokens - 1) / kSplitTokens;
  const int64_t one = PartialFloats(problem, rows) * splits;
  constexpr int64_t kRoom = (int64_t{16} << 20) / static_cast<int64_t>(sizeof(float));
  return std::max(one, std::min<int64_t>(kRoom, one * problem.max_sequences));
}

// Rows that are appended on the calling thread: waking another one takes as long as copying this.
constexpr int64_t kSerialAppendBytes = int64_t{128} << 10;

}  // namespace

struct Plan::Claims {
  const LayerRun* run;
  const Task* tasks;
  int32_t count;
  const std::vector<std::unique_ptr<ThreadScratch>>* scratch;
  std::atomic<int32_t> next{0};
};

Plan::Plan(Problem problem, const vattn_limits& limits)
    : problem_(std::move(problem)),
      kernels_(GetKernels()),
      pool_(limits.threads, limits.executor),
      partials_(PartialCapacity(problem_, pool_.threads())),
      schedule_(pool_.threads(), PartialCapacity(problem_, pool_.threads())) {
  for (int32_t i = 0; i < pool_.threads(); ++i) {
    scratch_.push_back(std::make_unique<ThreadScratch>(problem_));
  }
}

// Copies the rows of the block tables, of each as far as its tokens reach.
void Plan::CopyTables(const vattn_batch& batch) {
  block_tables_.clear();
  for (int32_t i = 0; i < batch.count; ++i) {
    const int64_t tokens = batch.kv_length[i];
    const int64_t blocks = (tokens + problem_.block_tokens - 1) / problem_.block_tokens;
    const int32_t* row = batch.block_table + i * batch.block_table_stride;
    schedule_.sequences()[static_cast<size_t>(i)].table =
        static_cast<int64_t>(block_tables_.size());
    block_tables_.insert(block_tables_.end(), row, row + blocks);
  }
}

vattn_status Plan::Prepare(const vattn_cache_view* view, const vattn_batch* batch,
                           vattn_stream stream, vattn_error* error) {
  if (stream.device_type != 0 && stream.device_type != VATTN_DEVICE_CPU) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "stream: a CPU stream required, found device %d.",
                stream.device_type);
  }
  if (vattn_status status = CheckView(problem_, kCpu, view, error)) return status;
  if (vattn_status status = CheckBatch(problem_, *view, batch, error)) return status;

  // From here on only memory can run out; then nothing is prepared.
  prepared_ = false;
  tokens_ = 0;
  std::vector<ScheduledSequence>& sequences = schedule_.sequences();
  sequences.clear();
  for (int32_t i = 0; i < batch->count; ++i) {
    sequences.push_back({batch->slot == nullptr ? 0 : static_cast<int32_t>(batch->slot[i]),
                         static_cast<int32_t>(batch->query_length[i]),
                         static_cast<int32_t>(batch->kv_length[i]), static_cast<int32_t>(tokens_),
                         0});
    tokens_ += batch->query_length[i];
  }
  if (view->kind == VATTN_PAGED) CopyTables(*batch);
  schedule_.Build(problem_);
  const size_t units = schedule_.units().size();
  if (units > remaining_capacity_) {
    remaining_ = std::make_unique<std::atomic<int32_t>[]>(units * 2);
    remaining_capacity_ = units * 2;
  }
  for (size_t i = 0; i < units; ++i) {
    remaining_[i].store(schedule_.units()[i].tasks, std::memory_order_relaxed);
  }
  key_layers_ = view->key;
  value_layers_ = view->value;
  prepared_ = true;
  return VATTN_OK;
}

vattn_status Plan::CheckLayer(int32_t layer, vattn_error* error) const {
  if (!prepared_) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "Nothing is prepared. Call plan_prepare first.");
  }
  if (layer < 0 || layer >= problem_.shape.layers) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "layer: 0 to %d required, found %d.",
                problem_.shape.layers - 1, layer);
  }
  return VATTN_OK;
}

vattn_status Plan::CheckNewRows(const vattn_tensor* key, const vattn_tensor* value,
                                vattn_error* error) const {
  const vattn_cache_shape& shape = problem_.shape;
  if (vattn_status status = CheckTensor("key", key, kCpu, {tokens_, shape.kv_heads, shape.head_dim},
                                        problem_.dtype, error)) {
    return status;
  }
  return CheckTensor("value", value, kCpu, {tokens_, shape.kv_heads, shape.value_head_dim},
                     problem_.dtype, error);
}

LayerRun Plan::MakeRun(int32_t layer) {
  return {&problem_,
          &kernels_,
          &schedule_,
          block_tables_.data(),
          MakeRowTensor(problem_, key_layers_[layer], false),
          MakeRowTensor(problem_, value_layers_[layer], true),
          nullptr,
          nullptr,
          nullptr,
          partials_.get(),
          remaining_.get()};
}

void Plan::WriteRows(LayerRun& run, const NewRows& rows) {
  if (pool_.threads() == 1 || tokens_ * AppendedBytes(problem_) < kSerialAppendBytes) {
    return AppendRows(run, rows, 0, tokens_);
  }
  struct Share {
    const LayerRun* run;
    const NewRows* rows;
    int64_t tokens;
    int32_t threads;
  } share{&run, &rows, tokens_, pool_.threads()};
  pool_.Run(
      share.threads,
      [](void* argument, int32_t index) {
        const Share& of = *static_cast<const Share*>(argument);
        AppendRows(*of.run, *of.rows, of.tokens * index / of.threads,
                   of.tokens * (index + 1) / of.threads);
      },
      &share);
}

vattn_status Plan::Run(int32_t layer, const vattn_tensor* query, const vattn_tensor* key,
                       const vattn_tensor* value, const vattn_tensor* output,
                       const vattn_tensor* lse, vattn_error* error) {
  if (vattn_status status = CheckLayer(layer, error)) return status;
  const vattn_cache_shape& shape = problem_.shape;
  const int64_t heads = problem_.query_heads;
  if (vattn_status status = CheckTensor("query", query, kCpu, {tokens_, heads, shape.head_dim},
                                        problem_.dtype, error)) {
    return status;
  }
  if (vattn_status status = CheckTensor(
          "output", output, kCpu, {tokens_, heads, shape.value_head_dim}, problem_.dtype, error)) {
    return status;
  }
  if (lse != nullptr) {
    if (vattn_status status =
            CheckTensor("lse", lse, kCpu, {tokens_, heads}, VATTN_FLOAT32, error)) {
      return status;
    }
  }
  const bool append = key != nullptr || value != nullptr;
  if (append) {
    if (vattn_status status = CheckNewRows(key, value, error)) return status;
  }

  LayerRun run = MakeRun(layer);
  if (append) WriteRows(run, {key, value});
  run.query = query;
  run.output = output;
  run.lse = lse;
  Claims claims{&run, schedule_.tasks().data(), static_cast<int32_t>(schedule_.tasks().size()),
                &scratch_};
  if (claims.count == 0) return VATTN_OK;
  pool_.Run(
      std::min(pool_.threads(), claims.count),
      [](void* argument, int32_t index) {
        Claims& of = *static_cast<Claims*>(argument);
        ThreadScratch& scratch = *(*of.scratch)[static_cast<size_t>(index)];
        for (int32_t i = of.next.fetch_add(1, std::memory_order_relaxed); i < of.count;
             i = of.next.fetch_add(1, std::memory_order_relaxed)) {
          RunTask(*of.run, of.tasks[i], scratch);
        }
      },
      &claims);
  return VATTN_OK;
}

vattn_status Plan::Append(int32_t layer, const vattn_tensor* key, const vattn_tensor* value,
                          vattn_error* error) {
  if (vattn_status status = CheckLayer(layer, error)) return status;
  if (vattn_status status = CheckNewRows(key, value, error)) return status;
  LayerRun run = MakeRun(layer);
  WriteRows(run, {key, value});
  return VATTN_OK;
}

uint64_t Plan::WorkspaceBytes() const {
  uint64_t bytes = partials_.bytes();
  for (const auto& scratch : scratch_) bytes += scratch->bytes();
  return bytes;
}

}  // namespace vattention::cpu
