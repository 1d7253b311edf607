#include "attention/flash_attention_2/packed_prefill.h"

#include "attention/flash_attention_2/launch.h"

namespace vattention::flash_attention_2 {

attention::cuda::LseLayout RunPackedPrefill(const PackedPrefill& prefill, cudaStream_t stream) {
  Launch launch{};
  launch.form = KernelForm::kPlain;
  launch.dtype = prefill.dtype;
  launch.head_dim = prefill.head_dim;
  launch.query_heads = prefill.query_heads;
  launch.kv_heads = prefill.kv_heads;
  launch.sequences = prefill.sequences;
  launch.rows = prefill.rows;
  launch.max_query = prefill.max_query;
  launch.max_key = prefill.max_key;
  launch.scale = prefill.scale;
  launch.causal = prefill.causal;
  launch.alibi = prefill.alibi;
  launch.query = prefill.query;
  launch.output = prefill.output;
  launch.key = prefill.key.data;
  launch.value = prefill.value.data;
  launch.key_row_stride = prefill.key.row_stride;
  launch.key_head_stride = prefill.key.head_stride;
  launch.value_row_stride = prefill.value.row_stride;
  launch.value_head_stride = prefill.value.head_stride;
  launch.query_start = prefill.query_start;
  launch.key_start = prefill.key_start;
  launch.key_length = prefill.key_length;
  launch.splits = 1;
  launch.lse = prefill.lse;
  Enqueue(launch, stream);
  return LayoutOfLse(launch);
}

}  // namespace vattention::flash_attention_2
