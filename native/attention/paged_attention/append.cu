#include "attention/cuda/append_place.cuh"
#include "attention/cuda/cuda_error.h"
#include "attention/paged_attention/append.h"
#include "attention/paged_attention/element.cuh"

namespace vattention::paged_attention {

using attention::cuda::AppendArguments;
using attention::cuda::AppendPlace;

namespace {

constexpr int kThreads = 256;

// A thread block copies one row of K and V of all heads. Elements of a key lie in pieces of 16
// bytes, those of a value a whole block apart: the layout is made for reading.
template <typename Cache>
__global__ void __launch_bounds__(kThreads) AppendKernel(const AppendArguments a, const Pool pool) {
  using Element = typename Cache::Element;
  constexpr int kPiece = 16 / sizeof(Element);
  const int row = blockIdx.x;
  __shared__ AppendPlace place;
  if (threadIdx.x == 0) place = attention::cuda::PlaceOf(a, row);
  __syncthreads();
  if (!place.wanted) return;
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
    const int64_t at = place.slot * pool.block_stride + head * pool.head_stride;

    const Vector key = read(a.key, head, element);
    const float key_scale = ScaleAt(pool.key_scale, place.scale_slot, head);
    struct alignas(kVector * sizeof(Element)) Stored {
      Element element[kVector];
    } stored;
#pragma unroll
    for (int e = 0; e < kVector; ++e) stored.element[e] = Cache::Store(key.element[e], key_scale);
    *reinterpret_cast<Stored*>(static_cast<Element*>(pool.key) + at +
                               (element / kPiece * tokens + place.token) * kPiece +
                               element % kPiece) = stored;

    const Vector value = read(a.value, head, element);
    const float value_scale = ScaleAt(pool.value_scale, place.scale_slot, head);
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
