// One layer's attention of decoding rows, by vLLM's PagedAttention kernels as they are.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_DECODE_H_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_DECODE_H_

#include <cuda_runtime_api.h>

#include <cstdint>

namespace vattention::paged_attention {

// Version one: a thread block attends to all tokens of a sequence. Version two: to a partition of
// them, and another kernel combines the partitions.
enum class KernelVersion { kOne, kTwo };

inline constexpr int32_t kPartitionTokens = 512;

constexpr int32_t Partitions(int64_t tokens) {
  return static_cast<int32_t>((tokens + kPartitionTokens - 1) / kPartitionTokens);
}

// vLLM's rule: version one while its logits fit into shared memory and either nothing would be
// partitioned or there are thread blocks enough without that.
constexpr KernelVersion ChooseVersion(int32_t sequences, int32_t query_heads, int32_t max_length) {
  const bool enough = Partitions(max_length) <= 1 || int64_t{sequences} * query_heads > 512;
  return max_length <= 8192 && enough ? KernelVersion::kOne : KernelVersion::kTwo;
}

// The combining kernel keeps two numbers per partition in shared memory: 48 KiB without asking.
inline constexpr int64_t kMostTokens = int64_t{48} * 1024 / 8 * kPartitionTokens;

constexpr bool BlockTokensBuilt(int32_t tokens) {
  return tokens == 8 || tokens == 16 || tokens == 32;
}

// Indices inside the kernels are products of these in 32 bits: see SequencesAtOnce.
struct Decode {
  KernelVersion version;
  int32_t dtype;        // of query and output
  int32_t cache_dtype;  // the same, or VATTN_FLOAT8_E4M3
  int32_t head_dim;
  int32_t query_heads;
  int32_t kv_heads;
  int32_t sequences;   // one row each
  int32_t max_length;  // of the longest
  float scale;
  const float* alibi;  // [query_heads], or NULL

  const void* query;  // [sequences, query_heads, head_dim], dense but for rows
  int64_t query_stride;
  void* output;  // [sequences, query_heads, head_dim], dense
  const void* key_cache;
  const void* value_cache;
  int32_t block_tokens;
  int32_t block_stride;  // elements, of keys and values alike
  int32_t head_stride;
  // What a stored e4m3 number is multiplied with: one number on the device each.
  const float* key_scale;
  const float* value_scale;

  const int32_t* block_table;  // [sequences, table_stride]
  int64_t table_stride;
  const int32_t* length;  // [sequences]; 0: a row of zeros

  // Version two, [sequences, query_heads, Partitions(max_length)]:
  float* partition_max;
  float* partition_sum;    // of exp(logit - max)
  void* partition_output;  // with [head_dim] behind, of dtype
};

// How many sequences of a launch the kernels' 32-bit indices reach.
int32_t SequencesAtOnce(const Decode& decode);

// Enqueues it. Throws CudaError. What was not built has been refused when the plan was made.
void EnqueueDecode(const Decode& decode, cudaStream_t stream);

// The kernels of each type, in files of their own.
void EnqueueBfloat16(const Decode& decode, cudaStream_t stream);
void EnqueueFloat16(const Decode& decode, cudaStream_t stream);

}  // namespace vattention::paged_attention

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_DECODE_H_
