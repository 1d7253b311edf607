#include "bench/native/planned_attention.h"

#include "bench/native/failure.h"
#include "bench/native/raw_attention.h"

namespace vattention::bench {

vattn_tensor RowsTensor(void* data, int64_t rows, int64_t heads) {
  vattn_tensor tensor{};
  tensor.data = data;
  tensor.dtype = VATTN_BFLOAT16;
  tensor.device_type = VATTN_DEVICE_CUDA;
  tensor.rank = 3;
  tensor.shape[0] = rows;
  tensor.shape[1] = heads;
  tensor.shape[2] = kHeadDim;
  tensor.stride[0] = heads * kHeadDim;
  tensor.stride[1] = kHeadDim;
  tensor.stride[2] = 1;
  return tensor;
}

PlannedAttention::PlannedAttention(const vattn_backend& backend, KvPlace* place, uint32_t query)
    : backend_(backend), place_(place), query_(query) {
  const vattn_cache_view& view = place->view();
  vattn_config config{};
  config.size = sizeof(config);
  config.cache_kind = view.kind;
  config.shape = view.shape;
  config.pool_layout = view.pool_layout;
  config.block_tokens = view.block_tokens;
  config.query_heads = kQueryHeads;
  config.dtype = VATTN_BFLOAT16;
  config.causal = 1;
  vattn_limits limits{};
  limits.size = sizeof(limits);
  limits.max_sequences = view.shape.max_sequences;
  limits.max_tokens = view.shape.max_sequences * static_cast<int32_t>(query);
  limits.max_length = view.shape.max_length;
  Error error;
  error.Check(backend.plan_create(&config, &limits, &plan_, &error), "plan_create");
}

void PlannedAttention::Prepare(cudaStream_t stream) {
  const vattn_batch batch = place_->Batch(query_);
  const vattn_stream on = {VATTN_DEVICE_CUDA, 0,
                           static_cast<uint64_t>(reinterpret_cast<uintptr_t>(stream))};
  Error error;
  error.Check(backend_.plan_prepare(plan_, &place_->view(), &batch, on, &error), "plan_prepare");
}

void PlannedAttention::Run(int32_t layer, const vattn_tensor& query, const vattn_tensor* key,
                           const vattn_tensor* value, const vattn_tensor& output) {
  Error error;
  error.Check(backend_.plan_run(plan_, layer, &query, key, value, &output, nullptr, &error),
              "plan_run");
}

}  // namespace vattention::bench
