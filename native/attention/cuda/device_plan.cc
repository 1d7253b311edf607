#include "attention/cuda/device_plan.h"

#include <algorithm>
#include <utility>

#include "attention/common/batch_check.h"
#include "attention/common/config_check.h"
#include "attention/common/error.h"
#include "attention/cuda/device_scope.h"
#include "attention/cuda/fill_empty.h"
#include "attention/cuda/lse.h"
#include "attention/cuda/row_copy.h"

namespace vattention::attention::cuda {

namespace {

// What vector loads of all kernels need.
constexpr uint64_t kAlignment = 16;

int64_t Blocks(int64_t tokens, int32_t block_tokens) {
  return (tokens + block_tokens - 1) / block_tokens;
}

RowTensor Rows(const vattn_tensor& tensor) {
  return {tensor.data, tensor.stride[0], tensor.stride[1]};
}

RowTensor From(const RowTensor& rows, int32_t first, int32_t element_bytes) {
  if (rows.data == nullptr) return rows;
  return {static_cast<char*>(rows.data) + first * rows.row_stride * element_bytes, rows.row_stride,
          rows.head_stride};
}

RowTensor Dense(const DeviceBuffer& buffer, int64_t heads, int64_t dim) {
  return {buffer.data(), heads * dim, dim};
}

vattn_status CheckAligned(const char* name, const vattn_tensor& tensor, vattn_error* error) {
  const uint64_t bytes = static_cast<uint64_t>(ElementBytes(tensor.dtype));
  const uint64_t row = static_cast<uint64_t>(tensor.stride[0]) * bytes;
  const uint64_t head = static_cast<uint64_t>(tensor.stride[1]) * bytes;
  const uint64_t address = reinterpret_cast<uintptr_t>(tensor.data);
  if ((address | row | head) % kAlignment == 0) return VATTN_OK;
  return Fail(error, VATTN_INVALID_ARGUMENT,
              "%s: an address and strides that are multiples of 16 bytes required, found address "
              "0x%llx and strides of %llu and %llu bytes.",
              name, static_cast<unsigned long long>(address), static_cast<unsigned long long>(row),
              static_cast<unsigned long long>(head));
}

}  // namespace

// Places in the staging area.
struct DevicePlan::Arrays {
  // In the caller's order.
  Staged<int32_t> first_row;
  Staged<int32_t> pass_kv;
  Staged<int32_t> pass_slot;
  Staged<int32_t> scale_slot;
  // Group after group.
  Staged<int32_t> query_start;
  Staged<int32_t> kv_length;
  Staged<int32_t> slot;
  Staged<int32_t> row;
  Staged<int32_t> table;  // last: used in part
};

DevicePlan::DevicePlan(Problem problem, const vattn_config& config, const vattn_limits& limits)
    : problem_(std::move(problem)),
      scales_(config),
      device_{VATTN_DEVICE_CUDA, limits.device_index},
      arrays_(std::make_unique<Arrays>()) {}

DevicePlan::~DevicePlan() {
  // A kernel may still read what goes now; cudaFree waits, and pinned memory waits for its copies.
}

void DevicePlan::Allocate() {
  const DeviceScope scope(device_.index);
  Check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device_.index),
        "cudaDeviceGetAttribute");
  const auto sequences = static_cast<size_t>(problem_.max_sequences);
  arrays_->first_row = staging_.Add<int32_t>(sequences + 1);
  arrays_->pass_kv = staging_.Add<int32_t>(sequences);
  arrays_->pass_slot = staging_.Add<int32_t>(sequences);
  arrays_->scale_slot = staging_.Add<int32_t>(sequences);
  // One more for each group, and there are at most as many groups as sequences.
  arrays_->query_start = staging_.Add<int32_t>(2 * sequences + 1);
  arrays_->kv_length = staging_.Add<int32_t>(sequences);
  arrays_->slot = staging_.Add<int32_t>(sequences);
  arrays_->row = staging_.Add<int32_t>(sequences);
  AllocateOwn();
  const int64_t longest = std::min(problem_.max_length, problem_.shape.max_length);
  const int64_t blocks =
      problem_.cache_kind == VATTN_PAGED ? Blocks(longest, problem_.block_tokens) : 0;
  arrays_->table = staging_.Add<int32_t>(sequences * static_cast<size_t>(blocks));
  staging_.Allocate();

  if (!problem_.alibi.empty()) {
    alibi_ = DeviceBuffer(problem_.alibi.size() * sizeof(float));
    Check(cudaMemcpy(alibi_.data(), problem_.alibi.data(), alibi_.bytes(), cudaMemcpyHostToDevice),
          "cudaMemcpy");
  }
  lse_ = DeviceBuffer(LseElements(problem_.max_tokens, problem_.max_sequences) * sizeof(float));
  // Rows of decoding sequences only: other rows are served where they lie.
  const auto bytes = static_cast<size_t>(ElementBytes(problem_.dtype));
  const size_t rows = std::min(sequences, static_cast<size_t>(problem_.max_tokens));
  const auto heads = static_cast<size_t>(problem_.query_heads);
  gathered_query_ =
      DeviceBuffer(rows * heads * static_cast<size_t>(problem_.shape.head_dim) * bytes);
  gathered_output_ =
      DeviceBuffer(rows * heads * static_cast<size_t>(problem_.shape.value_head_dim) * bytes);
}

// FlashAttention's kernels write whole groups of up to 128 rows, and of padded sequences.
size_t DevicePlan::LseElements(int64_t rows, int64_t count) const {
  const int64_t padded = (rows + 127) / 128 * 128 + 128;
  return static_cast<size_t>(problem_.query_heads) *
         static_cast<size_t>(std::max<int64_t>(padded, count + 128));
}

uint64_t DevicePlan::WorkspaceBytes() const {
  return 4 * staging_.bytes() + alibi_.bytes() + lse_.bytes() + gathered_query_.bytes() +
         gathered_output_.bytes() + OwnBytes();
}

const int32_t* DevicePlan::pass_first_row() const { return staging_.Device(arrays_->first_row); }
const int32_t* DevicePlan::pass_kv_length() const { return staging_.Device(arrays_->pass_kv); }
const int32_t* DevicePlan::pass_slot() const { return staging_.Device(arrays_->pass_slot); }
const int32_t* DevicePlan::pass_table() const {
  return problem_.cache_kind == VATTN_PAGED ? staging_.Device(arrays_->table) : nullptr;
}

vattn_status DevicePlan::CheckGraph(const vattn_batch& batch, vattn_stream stream,
                                    vattn_error* error) const {
  if (!graph()) return VATTN_OK;
  if (batch.count > problem_.graph_sequences) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "count: at most the %d sequences of the graph required, found %d.",
                problem_.graph_sequences, batch.count);
  }
  for (int32_t i = 0; i < batch.count; ++i) {
    if (batch.query_length[i] != 1) {
      return Fail(error, VATTN_INVALID_ARGUMENT,
                  "query_length[%d]: 1 required in a plan for a graph, found %u.", i,
                  batch.query_length[i]);
    }
    if (batch.kv_length[i] > problem_.graph_max_length) {
      return Fail(error, VATTN_INVALID_ARGUMENT,
                  "kv_length[%d]: at most the graph's %lld required, found %u.", i,
                  static_cast<long long>(problem_.graph_max_length), batch.kv_length[i]);
    }
  }
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  Check(cudaStreamIsCapturing(reinterpret_cast<cudaStream_t>(stream.handle), &capture),
        "cudaStreamIsCapturing");
  if (capture != cudaStreamCaptureStatusNone) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "The stream is being captured: prepare before the capture begins, and before every "
                "replay.");
  }
  return VATTN_OK;
}

void DevicePlan::MakePass(const vattn_batch& batch) {
  pass_.sequences.clear();
  pass_.rows = 0;
  pass_.max_query = 0;
  pass_.max_kv = 0;
  for (int32_t i = 0; i < batch.count; ++i) {
    const PassSequence sequence = {static_cast<int32_t>(batch.query_length[i]),
                                   static_cast<int32_t>(batch.kv_length[i]),
                                   batch.slot == nullptr ? 0 : static_cast<int32_t>(batch.slot[i]),
                                   pass_.rows, static_cast<int32_t>(batch.backed_length[i])};
    pass_.rows += sequence.query;
    pass_.max_query = std::max(pass_.max_query, sequence.query);
    pass_.max_kv = std::max(pass_.max_kv, sequence.kv);
    pass_.sequences.push_back(sequence);
  }
  if (!graph()) return;
  // The grid is the graph's, whatever the batch.
  while (static_cast<int32_t>(pass_.sequences.size()) < problem_.graph_sequences) {
    pass_.sequences.push_back({1, 0, 0, pass_.rows++, 0});
  }
  pass_.max_query = 1;
  pass_.max_kv = static_cast<int32_t>(problem_.graph_max_length);
}

void DevicePlan::FindEmptyRows() {
  empty_rows_.clear();
  size_t members = 0;
  for (const RowGroup& group : groups_) members += group.members.size();
  if (members == pass_.sequences.size()) return;
  std::vector<bool> served(pass_.sequences.size());
  for (const RowGroup& group : groups_) {
    for (const int32_t member : group.members) served[static_cast<size_t>(member)] = true;
  }
  for (size_t i = 0; i < served.size(); ++i) {
    const PassSequence& sequence = pass_.sequences[i];
    if (!served[i] && sequence.query > 0)
      empty_rows_.push_back({sequence.first_row, sequence.query});
  }
}

void DevicePlan::StageGroups(const vattn_batch& batch) {
  const bool paged = problem_.cache_kind == VATTN_PAGED;
  table_stride_ = paged ? std::max<int64_t>(1, Blocks(pass_.max_kv, problem_.block_tokens)) : 0;
  int32_t* first_row = staging_.Host(arrays_->first_row);
  int32_t* pass_kv = staging_.Host(arrays_->pass_kv);
  int32_t* pass_slot = staging_.Host(arrays_->pass_slot);
  int32_t* scale_slot = staging_.Host(arrays_->scale_slot);
  int32_t* table = staging_.Host(arrays_->table);
  const size_t count = pass_.sequences.size();
  for (size_t i = 0; i < count; ++i) {
    const PassSequence& sequence = pass_.sequences[i];
    first_row[i] = sequence.first_row;
    pass_kv[i] = sequence.kv;
    pass_slot[i] = sequence.slot;
    scale_slot[i] = sequence.slot;
  }
  first_row[count] = pass_.rows;

  int32_t* query_start = staging_.Host(arrays_->query_start);
  int32_t* kv_length = staging_.Host(arrays_->kv_length);
  int32_t* slot = staging_.Host(arrays_->slot);
  int32_t* row_of = staging_.Host(arrays_->row);
  size_t place = 0;   // of a sequence among those of all groups
  size_t starts = 0;  // in query_start
  size_t rows = 0;    // in row_of
  for (RowGroup& group : groups_) {
    if (graph()) group.max_kv = pass_.max_kv;
    group.query_start = staging_.Device(arrays_->query_start) + starts;
    group.kv_length = staging_.Device(arrays_->kv_length) + place;
    group.slot = staging_.Device(arrays_->slot) + place;
    if (paged) {
      group.block_table = staging_.Device(arrays_->table) + place * table_stride_;
      group.block_table_stride = table_stride_;
    }
    if (!group.in_place) group.row = staging_.Device(arrays_->row) + rows;
    int32_t row = 0;
    for (const int32_t member : group.members) {
      const PassSequence& sequence = pass_.sequences[static_cast<size_t>(member)];
      query_start[starts++] = row;
      row += sequence.query;
      kv_length[place] = sequence.kv;
      slot[place] = sequence.slot;
      if (!group.in_place) {
        for (int32_t i = 0; i < sequence.query; ++i) row_of[rows++] = sequence.first_row + i;
      }
      if (paged) {
        pass_slot[member] = static_cast<int32_t>(place);
        const int64_t used = Blocks(sequence.kv, problem_.block_tokens);
        int32_t* to = table + static_cast<int64_t>(place) * table_stride_;
        if (used > 0) {
          const int32_t* from = batch.block_table + member * batch.block_table_stride;
          // Kernels read whole tiles, so also a little before the first token that is seen: where a
          // slid window gave a block up, they find one of the sequence's own.
          const int32_t* kept = std::find_if(from, from + used, [](int32_t b) { return b >= 0; });
          const int32_t own = kept == from + used ? 0 : *kept;
          std::transform(from, from + used, to, [own](int32_t b) { return b >= 0 ? b : own; });
        }
        std::fill(to + used, to + table_stride_, 0);
      }
      ++place;
    }
    query_start[starts++] = row;
  }
  // Of sequences in no group, too: the end must not depend on the groups of a captured plan.
  const size_t table_rows = paged ? count : 0;
  staging_.EndArrays(arrays_->table.offset +
                     table_rows * static_cast<size_t>(table_stride_) * sizeof(int32_t));
}

vattn_status DevicePlan::Prepare(const vattn_cache_view* view, const vattn_batch* batch,
                                 vattn_stream stream, vattn_error* error) {
  if (stream.device_type != VATTN_DEVICE_CUDA || stream.device_index != device_.index) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "stream: a stream of CUDA device %d required, found device type %d, index %d.",
                device_.index, stream.device_type, stream.device_index);
  }
  if (vattn_status status = CheckView(problem_, device_, view, error)) return status;
  if (vattn_status status = CheckBatch(problem_, *view, batch, error)) return status;
  const DeviceScope scope(device_.index);
  if (vattn_status status = CheckGraph(*batch, stream, error)) return status;

  prepared_ = false;
  view_ = *view;
  stream_ = reinterpret_cast<cudaStream_t>(stream.handle);
  MakePass(*batch);
  if (vattn_status status = scales_.Check(pass_, error)) return status;
  groups_ = Arrange(pass_);
  std::erase_if(groups_, [](const RowGroup& group) { return group.rows == 0; });
  FindEmptyRows();
  staging_.Begin();
  StageGroups(*batch);
  if (vattn_status status = PlanGroups(groups_, error)) return status;
  staging_.Upload(stream_);
  AfterUpload();
  prepared_ = true;
  return VATTN_OK;
}

vattn_status DevicePlan::CheckLayer(int32_t layer, vattn_error* error) const {
  if (!prepared_) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "Nothing is prepared. Call plan_prepare first.");
  }
  if (layer < 0 || layer >= problem_.shape.layers) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "layer: 0 to %d required, found %d.",
                problem_.shape.layers - 1, layer);
  }
  return VATTN_OK;
}

vattn_status DevicePlan::CheckNewRows(const vattn_tensor* key, const vattn_tensor* value,
                                      vattn_error* error) const {
  const vattn_cache_shape& shape = problem_.shape;
  if (vattn_status status =
          CheckTensor("key", key, device_, {pass_.rows, shape.kv_heads, shape.head_dim},
                      problem_.dtype, error)) {
    return status;
  }
  if (vattn_status status =
          CheckTensor("value", value, device_, {pass_.rows, shape.kv_heads, shape.value_head_dim},
                      problem_.dtype, error)) {
    return status;
  }
  if (vattn_status status = CheckAligned("key", *key, error)) return status;
  return CheckAligned("value", *value, error);
}

AppendArguments DevicePlan::MakeAppend(const LayerCall& call) const {
  const vattn_tensor& key = *call.key_cache;
  const vattn_tensor& value = *call.value_cache;
  AppendArguments arguments{};
  arguments.key = call.key;
  arguments.value = call.value;
  arguments.key_cache = {key.data,      key.stride[0],           key.stride[1],
                         key.stride[2], problem_.shape.head_dim, scales_.key()};
  arguments.value_cache = {value.data,
                           value.stride[0],
                           value.stride[1],
                           value.stride[2],
                           problem_.shape.value_head_dim,
                           scales_.value()};
  arguments.dtype = problem_.dtype;
  arguments.cache_dtype = problem_.shape.dtype;
  arguments.heads = problem_.shape.kv_heads;
  arguments.rows = pass_.rows;
  arguments.sequences = static_cast<int32_t>(pass_.sequences.size());
  arguments.first_row = pass_first_row();
  arguments.kv_length = pass_kv_length();
  arguments.slot = pass_slot();
  arguments.scale_slot = staging_.Device(arrays_->scale_slot);
  arguments.table = pass_table();
  arguments.table_stride = table_stride_;
  arguments.block_tokens = problem_.block_tokens;
  return arguments;
}

void DevicePlan::AppendRows(const LayerCall& call) {
  cuda::AppendRows(MakeAppend(call), call.stream);
}

void DevicePlan::RunGroup(size_t index, LayerCall call, const vattn_tensor* lse) {
  const RowGroup& group = groups_[index];
  const int32_t bytes = ElementBytes(problem_.dtype);
  const int32_t heads = problem_.query_heads;
  const int32_t dim = problem_.shape.head_dim;
  const int32_t value_dim = problem_.shape.value_head_dim;
  const RowTensor output = call.output;
  const bool gaps = output.head_stride != value_dim ||
                    output.row_stride != static_cast<int64_t>(heads) * value_dim;
  const bool scatter = !group.in_place || (DenseOutput() && gaps);
  if (!group.in_place) {
    const RowTensor gathered = Dense(gathered_query_, heads, dim);
    GatherRows(call.query, group.row, group.rows, heads, dim, gathered, call.stream);
    call.query = gathered;
  } else {
    call.query = From(call.query, group.first_row, bytes);
    call.key = From(call.key, group.first_row, bytes);
    call.value = From(call.value, group.first_row, bytes);
  }
  if (scatter) {
    gathered_output_.Grow(static_cast<size_t>(group.rows) * static_cast<size_t>(heads) *
                          static_cast<size_t>(value_dim) * static_cast<size_t>(bytes));
    call.output = Dense(gathered_output_, heads, value_dim);
  } else {
    call.output = From(output, group.first_row, bytes);
  }
  const LseLayout layout = Attend(index, call);
  if (scatter) {
    ScatterRows(call.output, group.row, group.rows, heads, value_dim,
                group.in_place ? From(output, group.first_row, bytes) : output, call.stream);
  }
  if (lse == nullptr) return;
  LseArguments arguments{};
  arguments.from = call.lse;
  arguments.layout = layout;
  arguments.rows = group.rows;
  arguments.heads = heads;
  arguments.to = static_cast<float*>(lse->data);
  arguments.to_row_stride = lse->stride[0];
  arguments.to_head_stride = lse->stride[1];
  arguments.row = group.row;
  arguments.first_row = group.first_row;
  arguments.alibi = alibi();
  arguments.sequences = group.count();
  arguments.query_start = group.query_start;
  arguments.kv_length = group.kv_length;
  WriteLse(arguments, call.stream);
}

vattn_status DevicePlan::Run(int32_t layer, const vattn_tensor* query, const vattn_tensor* key,
                             const vattn_tensor* value, const vattn_tensor* output,
                             const vattn_tensor* lse, vattn_error* error) {
  if (vattn_status status = CheckLayer(layer, error)) return status;
  const vattn_cache_shape& shape = problem_.shape;
  const int64_t heads = problem_.query_heads;
  const int64_t rows = pass_.rows;
  if (vattn_status status = CheckTensor("query", query, device_, {rows, heads, shape.head_dim},
                                        problem_.dtype, error)) {
    return status;
  }
  if (vattn_status status = CheckTensor(
          "output", output, device_, {rows, heads, shape.value_head_dim}, problem_.dtype, error)) {
    return status;
  }
  if (vattn_status status = CheckAligned("query", *query, error)) return status;
  if (vattn_status status = CheckAligned("output", *output, error)) return status;
  if (lse != nullptr) {
    if (vattn_status status =
            CheckTensor("lse", lse, device_, {rows, heads}, VATTN_FLOAT32, error)) {
      return status;
    }
  }
  const bool append = key != nullptr || value != nullptr;
  if (append) {
    if (vattn_status status = CheckNewRows(key, value, error)) return status;
  }
  if (rows == 0) return VATTN_OK;

  const DeviceScope scope(device_.index);
  LayerCall call{};
  call.layer = layer;
  call.query = Rows(*query);
  call.output = Rows(*output);
  if (append) {
    call.key = Rows(*key);
    call.value = Rows(*value);
  }
  call.key_cache = &view_.key[layer];
  call.value_cache = &view_.value[layer];
  call.lse = lse_.data<float>();
  call.wants_lse = lse != nullptr;
  call.stream = stream_;
  if (append) AppendRows(call);
  for (size_t i = 0; i < groups_.size(); ++i) RunGroup(i, call, lse);
  for (const RowRange& range : empty_rows_) {
    float* lse_rows =
        lse == nullptr ? nullptr : static_cast<float*>(lse->data) + range.first * lse->stride[0];
    FillEmpty(From(call.output, range.first, ElementBytes(problem_.dtype)), range.rows,
              problem_.query_heads, shape.value_head_dim, lse_rows,
              lse == nullptr ? 0 : lse->stride[0], lse == nullptr ? 0 : lse->stride[1], stream_);
  }
  return VATTN_OK;
}

vattn_status DevicePlan::Append(int32_t layer, const vattn_tensor* key, const vattn_tensor* value,
                                vattn_error* error) {
  if (vattn_status status = CheckLayer(layer, error)) return status;
  if (vattn_status status = CheckNewRows(key, value, error)) return status;
  if (pass_.rows == 0) return VATTN_OK;
  const DeviceScope scope(device_.index);
  LayerCall call{};
  call.layer = layer;
  call.key = Rows(*key);
  call.value = Rows(*value);
  call.key_cache = &view_.key[layer];
  call.value_cache = &view_.value[layer];
  call.stream = stream_;
  AppendRows(call);
  return VATTN_OK;
}

}  // namespace vattention::attention::cuda
