// Launches of vLLM's kernels for one element type.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_DECODE_KERNELS_CUH_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_DECODE_KERNELS_CUH_

#include <algorithm>
#include <cstdint>

#include "attention/attention_kernels.cuh"  // vLLM's
#include "attention/built.h"
#include "attention/cuda/cuda_error.h"
#include "attention/paged_attention/decode.h"
#include "vattention/device.h"

namespace vattention::paged_attention {

using Format = vllm::Fp8KVCacheDataType;

inline constexpr int kThreads = 128;

// Bytes of shared memory in which the warps of a thread block add up their outputs.
constexpr int OutputBytes(int head_dim) {
  return kThreads / 32 / 2 * head_dim * static_cast<int>(sizeof(float));
}

template <typename T, typename Cache, Format kFormat, int kDim, int kBlock>
void EnqueueOne(const Decode& d, cudaStream_t stream) {
  const int padded = (d.max_length + kBlock - 1) / kBlock * kBlock;
  const int shared = std::max(padded * static_cast<int>(sizeof(float)), OutputBytes(kDim));
  const dim3 grid(d.query_heads, d.sequences);
  vllm::paged_attention_v1_kernel<T, Cache, kDim, kBlock, kThreads, kFormat, false>
      <<<grid, kThreads, shared, stream>>>(
          static_cast<T*>(d.output), static_cast<const T*>(d.query),
          static_cast<const Cache*>(d.key_cache), static_cast<const Cache*>(d.value_cache),
          d.kv_heads, d.scale, d.block_table, d.length, static_cast<int>(d.table_stride), d.alibi,
          static_cast<int>(d.query_stride), d.block_stride, d.head_stride, d.key_scale,
          d.value_scale, 0, 0, 0, 0, 0);
  attention::cuda::CheckLaunch("paged_attention_v1_kernel");
}

template <typename T, typename Cache, Format kFormat, int kDim, int kBlock>
void EnqueueTwo(const Decode& d, cudaStream_t stream) {
  constexpr int kLogitBytes = kPartitionTokens * static_cast<int>(sizeof(float));
  const int partitions = std::max(1, Partitions(d.max_length));
  const dim3 grid(d.query_heads, d.sequences, partitions);
  vllm::paged_attention_v2_kernel<T, Cache, kDim, kBlock, kThreads, kFormat, false,
                                  kPartitionTokens>
      <<<grid, kThreads, std::max(kLogitBytes, OutputBytes(kDim)), stream>>>(
          d.partition_sum, d.partition_max, static_cast<T*>(d.partition_output),
          static_cast<const T*>(d.query), static_cast<const Cache*>(d.key_cache),
          static_cast<const Cache*>(d.value_cache), d.kv_heads, d.scale, d.block_table, d.length,
          static_cast<int>(d.table_stride), d.alibi, static_cast<int>(d.query_stride),
          d.block_stride, d.head_stride, d.key_scale, d.value_scale, 0, 0, 0, 0, 0);
  attention::cuda::CheckLaunch("paged_attention_v2_kernel");
  const int shared = 2 * partitions * static_cast<int>(sizeof(float));
  vllm::paged_attention_v2_reduce_kernel<T, kDim, kThreads, kPartitionTokens>
      <<<dim3(d.query_heads, d.sequences), kThreads, shared, stream>>>(
          static_cast<T*>(d.output), d.partition_sum, d.partition_max,
          static_cast<const T*>(d.partition_output), d.length, partitions);
  attention::cuda::CheckLaunch("paged_attention_v2_reduce_kernel");
}

template <typename T, typename Cache, Format kFormat, int kDim, int kBlock>
bool EnqueueVersion(const Decode& decode, cudaStream_t stream) {
  if (decode.version == KernelVersion::kOne) {
    EnqueueOne<T, Cache, kFormat, kDim, kBlock>(decode, stream);
  } else {
    EnqueueTwo<T, Cache, kFormat, kDim, kBlock>(decode, stream);
  }
  return true;
}

template <typename T, typename Cache, Format kFormat, int kDim>
bool EnqueueBlock(const Decode& decode, cudaStream_t stream) {
  switch (decode.block_tokens) {
    case 8:
      return EnqueueVersion<T, Cache, kFormat, kDim, 8>(decode, stream);
    case 16:
      return EnqueueVersion<T, Cache, kFormat, kDim, 16>(decode, stream);
    case 32:
      return EnqueueVersion<T, Cache, kFormat, kDim, 32>(decode, stream);
    default:
      return false;
  }
}

template <typename T, typename Cache, Format kFormat>
bool EnqueueDim(const Decode& decode, cudaStream_t stream) {
  switch (decode.head_dim) {
#define VATTN_CASE(D) \
  case D:             \
    return EnqueueBlock<T, Cache, kFormat, D>(decode, stream);
    VATTN_CUDA_HEAD_DIMS(VATTN_CASE)
#undef VATTN_CASE
    default:
      return false;
  }
}

// `T` as vLLM calls it: uint16_t for float16.
template <typename T>
void EnqueueOfType(const Decode& decode, cudaStream_t stream) {
  bool built = false;
  if (decode.cache_dtype == decode.dtype) {
    built = EnqueueDim<T, T, Format::kAuto>(decode, stream);
  }
#if VATTN_CUDA_FP8
  if (decode.cache_dtype == VATTN_FLOAT8_E4M3) {
    built = EnqueueDim<T, uint8_t, Format::kFp8E4M3>(decode, stream);
  }
#endif
  if (!built) attention::cuda::Check(cudaErrorNoKernelImageForDevice, "paged_attention");
}

}  // namespace vattention::paged_attention

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_DECODE_KERNELS_CUH_
