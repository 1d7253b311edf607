#include "attention/cuda/cuda_error.h"
#include "attention/cuda/find_sequence.cuh"
#include "attention/paged_attention/element.cuh"
#include "attention/paged_attention/gather.h"

namespace vattention::paged_attention {

namespace {

constexpr int kThreads = 256;

// A thread block moves one block of one head. Neighbouring threads read neighbouring tokens, as
// they lie; a warp writes pieces of 16 bytes of many tokens.
template <typename Cache>
__global__ void __launch_bounds__(kThreads) GatherKernel(const GatherArguments g) {
  using Element = typename Cache::Element;
  constexpr int kPiece = 16 / sizeof(Element);
  const int tokens = g.pool.block_tokens;
  const int head = blockIdx.y;
  const int first = blockIdx.x * tokens;
  const int sequence = attention::cuda::FindSequence(g.first_token, g.sequences, first);
  const int position = first - g.first_token[sequence];
  const int left = g.kv_length[sequence] - position;
  const int64_t block = g.table[sequence * g.table_stride + position / tokens];
  const int64_t from = block * g.pool.block_stride + head * g.pool.head_stride;
  const auto* keys = static_cast<const Element*>(g.pool.key) + from;
  const auto* values = static_cast<const Element*>(g.pool.value) + from;
  const int slot = g.slot[sequence];
  const float key_scale = ScaleAt(g.pool.key_scale, slot, head);
  const float value_scale = ScaleAt(g.pool.value_scale, slot, head);

  for (int i = threadIdx.x; i < tokens * (g.pool.dim / kVector); i += blockDim.x) {
    const int token = i % tokens;
    if (token >= left) continue;
    const int element = i / tokens * kVector;
    const int64_t to =
        (static_cast<int64_t>(first + token) * g.pool.heads + head) * g.pool.dim + element;
    Vector key;
    Vector value;
    const Element* piece = keys + (element / kPiece * tokens + token) * kPiece + element % kPiece;
    const Element* column = values + element * tokens + token;
#pragma unroll
    for (int e = 0; e < kVector; ++e) {
      key.element[e] = Cache::Load(piece[e], key_scale);
      value.element[e] = Cache::Load(column[e * tokens], value_scale);
    }
    *reinterpret_cast<Vector*>(static_cast<uint16_t*>(g.key) + to) = key;
    *reinterpret_cast<Vector*>(static_cast<uint16_t*>(g.value) + to) = value;
  }
}

}  // namespace

void GatherBlocks(const GatherArguments& arguments, cudaStream_t stream) {
  if (arguments.tokens == 0) return;
  const dim3 grid(arguments.tokens / arguments.pool.block_tokens, arguments.pool.heads);
  if (arguments.pool.dtype == arguments.dtype) {
    GatherKernel<SameCache><<<grid, kThreads, 0, stream>>>(arguments);
  } else if (arguments.dtype == VATTN_BFLOAT16) {
    GatherKernel<E4m3Cache<__nv_bfloat16>><<<grid, kThreads, 0, stream>>>(arguments);
  } else {
    GatherKernel<E4m3Cache<__half>><<<grid, kThreads, 0, stream>>>(arguments);
  }
  attention::cuda::CheckLaunch("the gather kernel of blocks");
}

}  // namespace vattention::paged_attention
