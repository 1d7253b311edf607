#include "attention/cuda/cuda_error.h"
#include "attention/cuda/find_sequence.cuh"
#include "attention/paged_attention/append.h"
#include "attention/paged_attention/element.cuh"

namespace vattention::paged_attention {

using attention::cuda::AppendArguments;

namespace {

constexpr int kThreads = 256;

struct Place {
  int64_t block;
  int token;  // within it
  int slot;
};

__device__ Place PlaceOf(const AppendArguments& a, int sequence, int token) {
  const int32_t* row = a.table + a.slot[sequence] * a.table_stride;
  return {row[token / a.block_tokens], token % a.block_tokens, a.scale_slot[sequence]};
}

// A thread block copies one row of K and V of all heads. Elements of a key lie in pieces of 16
// bytes, those of a value a whole block apart: the layout is made for reading.
template <typename Cache>
__global__ void __launch_bounds__(kThreads) AppendKernel(const AppendArguments a, const Pool pool) {
  using Element = typename Cache::Element;
  constexpr int kPiece = 16 / sizeof(Element);
  const int row = blockIdx.x;
  __shared__ Place place;
  __shared__ bool wanted;
  if (threadIdx.x == 0) {
    const int sequence = attention::cuda::FindSequence(a.first_row, a.sequences, row);
    const int query = a.first_row[sequence + 1] - a.first_row[sequence];
    const int kv = a.kv_length[sequence];
    wanted = kv > 0;
    if (wanted) place = PlaceOf(a, sequence, kv - query + row - a.first_row[sequence]);
  }
  __syncthreads();
  if (!wanted) return;
  const int vectors = pool.dim / kVector;
  const int tokens = pool.block_tokens;
  const auto read = [row](const attention::cuda::RowTensor& from, int head, int element) {
    return *reinterpret_cast<const Vector*>(static_cast<const uint16_t*>(from.data) +
                                            row * from.row_stride + head * from.head_stride +
                                            element);
  };
  for (int i = threadIdx.x; i < pool.heads * vectors; i += blockDim.x) {
    const int head = i / vectors;
    const int element = i % vectors * kVector;
    const int64_t at = place.block * pool.block_stride + head * pool.head_stride;

    const Vector key = read(a.key, head, element);
    const float key_scale = At(pool.key_scale, place.slot, head);
    struct alignas(kVector * sizeof(Element)) Stored {
      Element element[kVector];
    } stored;
#pragma unroll
    for (int e = 0; e < kVector; ++e) stored.element[e] = Cache::Store(key.element[e], key_scale);
    *reinterpret_cast<Stored*>(static_cast<Element*>(pool.key) + at +
                               (element / kPiece * tokens + place.token) * kPiece +
                               element % kPiece) = stored;

    const Vector value = read(a.value, head, element);
    const float value_scale = At(pool.value_scale, place.slot, head);
    Element* to = static_cast<Element*>(pool.value) + at + element * tokens + place.token;
#pragma unroll
    for (int e = 0; e < kVector; ++e) to[e * tokens] = Cache::Store(value.element[e], value_scale);
  }
}

}  // namespace

void AppendToBlocks(const AppendArguments& rows, const Pool& pool, cudaStream_t stream) {
  if (rows.rows == 0) return;
  if (pool.dtype == rows.dtype) {
    AppendKernel<SameCache><<<rows.rows, kThreads, 0, stream>>>(rows, pool);
  } else if (rows.dtype == VATTN_BFLOAT16) {
    AppendKernel<E4m3Cache<__nv_bfloat16>><<<rows.rows, kThreads, 0, stream>>>(rows, pool);
  } else {
    AppendKernel<E4m3Cache<__half>><<<rows.rows, kThreads, 0, stream>>>(rows, pool);
  }
  attention::cuda::CheckLaunch("the append kernel");
}

}  // namespace vattention::paged_attention
