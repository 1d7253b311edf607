#include "attention/flash_attention_2/launch.h"

#include <cutlass/numeric_types.h>

#include "attention/built.h"
#include "attention/cuda/cuda_error.h"
#include "flash.h"

// Upstream's kernels, compiled one file each.
namespace FLASH_NAMESPACE {
#define VATTN_KERNELS(T, D)                                                                        \
  template <>                                                                                      \
  void run_mha_fwd_<T, D, false>(Flash_fwd_params&, cudaStream_t);                                 \
  template <>                                                                                      \
  void run_mha_fwd_<T, D, true>(Flash_fwd_params&, cudaStream_t);                                  \
  extern template void run_mha_fwd_splitkv_dispatch<T, D, false>(Flash_fwd_params&, cudaStream_t); \
  extern template void run_mha_fwd_splitkv_dispatch<T, D, true>(Flash_fwd_params&, cudaStream_t);
#if VATTN_CUDA_BFLOAT16
#define VATTN_KERNELS_OF(D) VATTN_KERNELS(cutlass::bfloat16_t, D)
VATTN_CUDA_HEAD_DIMS(VATTN_KERNELS_OF)
#undef VATTN_KERNELS_OF
#endif
#if VATTN_CUDA_FLOAT16
#define VATTN_KERNELS_OF(D) VATTN_KERNELS(cutlass::half_t, D)
VATTN_CUDA_HEAD_DIMS(VATTN_KERNELS_OF)
#undef VATTN_KERNELS_OF
#endif
}  // namespace FLASH_NAMESPACE

namespace vattention::flash_attention_2 {

using attention::cuda::Check;
using attention::cuda::CheckLaunch;
using attention::cuda::LseLayout;

namespace {

using Parameters = FLASH_NAMESPACE::Flash_fwd_params;

constexpr float kLog2E = 1.4426950408889634F;

int32_t RoundUp(int32_t value, int32_t step) { return (value + step - 1) / step * step; }

// A decoding row's query heads of one KV head are that head's queries: they read its keys once.
// Masks by position are made for one row and not for those.
bool PacksGroup(const Launch& launch) {
  return launch.form == KernelForm::kSplit && launch.query_start == nullptr &&
         launch.query_heads > launch.kv_heads && launch.window == 0 && launch.alibi == nullptr;
}

// One row sees all keys or a window that ends at itself: there is nothing for a causal mask to do.
bool UsesCausalKernel(const Launch& launch) {
  return launch.causal && launch.window == 0 && launch.query_start != nullptr;
}

template <typename T>
T* Mutable(const T* pointer) {
  return const_cast<T*>(pointer);  // upstream's parameters are not const
}

void SetScores(const Launch& launch, Parameters* p) {
  p->scale_softmax = launch.soft_cap > 0 ? launch.soft_cap : launch.scale;
  p->softcap = launch.soft_cap > 0 ? launch.scale / launch.soft_cap : 0;
  p->scale_softmax_log2 = p->scale_softmax * kLog2E;
  // No dropout.
  p->p_dropout = 1;
  p->rp_dropout = 1;
  p->p_dropout_in_uint8_t = 255;
  p->scale_softmax_rp_dropout = p->scale_softmax;
  p->is_causal = UsesCausalKernel(launch);
  if (launch.window > 0) {
    p->window_size_left = launch.window - 1;
    p->window_size_right = launch.causal ? 0 : launch.max_key;
  } else if (p->is_causal) {
    p->window_size_left = launch.max_key;
    p->window_size_right = 0;
  } else {
    p->window_size_left = -1;
    p->window_size_right = -1;
  }
  p->alibi_slopes_ptr = Mutable(launch.alibi);
}

void SetQueries(const Launch& launch, Parameters* p) {
  p->q_ptr = launch.query.data;
  p->o_ptr = launch.output.data;
  p->h = launch.query_heads;
  p->h_k = launch.kv_heads;
  p->h_h_k_ratio = launch.query_heads / launch.kv_heads;
  p->seqlen_q = launch.max_query;
  p->q_row_stride = launch.query.row_stride;
  p->o_row_stride = launch.output.row_stride;
  p->q_head_stride = launch.query.head_stride;
  p->o_head_stride = launch.output.head_stride;
  p->total_q = launch.rows;
  if (launch.query_start != nullptr) {
    p->cu_seqlens_q = Mutable(launch.query_start);
    p->unpadded_lse = true;
    return;
  }
  p->q_batch_stride = launch.query.row_stride;
  p->o_batch_stride = launch.output.row_stride;
  if (!PacksGroup(launch)) return;
  const int32_t group = p->h_h_k_ratio;
  p->seqlen_q = group;
  p->h = launch.kv_heads;
  p->h_h_k_ratio = 1;
  p->q_row_stride = launch.query.head_stride;
  p->o_row_stride = launch.output.head_stride;
  p->q_head_stride = group * launch.query.head_stride;
  p->o_head_stride = group * launch.output.head_stride;
}

void SetKeys(const Launch& launch, Parameters* p) {
  p->k_ptr = Mutable(launch.key);
  p->v_ptr = Mutable(launch.value);
  p->k_batch_stride = launch.key_slot_stride;
  p->k_row_stride = launch.key_row_stride;
  p->k_head_stride = launch.key_head_stride;
  p->v_batch_stride = launch.value_slot_stride;
  p->v_row_stride = launch.value_row_stride;
  p->v_head_stride = launch.value_head_stride;
  p->seqlen_k = launch.max_key;
  p->page_block_size = 1;
  if (launch.form == KernelForm::kPlain) {
    // Cumulative starts of which only the start is used: lengths come from seqused_k.
    p->is_seqlens_k_cumulative = true;
    p->cu_seqlens_k = Mutable(launch.key_start);
    p->seqused_k = Mutable(launch.key_length);
    return;
  }
  p->is_seqlens_k_cumulative = false;
  p->cu_seqlens_k = Mutable(launch.key_length);
  if (launch.block_table != nullptr) {
    p->block_table = Mutable(launch.block_table);
    p->block_table_batch_stride = launch.block_table_stride;
    p->page_block_size = launch.block_tokens;
  } else {
    p->cache_batch_idx = Mutable(launch.slot);
  }
}

Parameters MakeParameters(const Launch& launch) {
  Parameters p{};
  p.is_bf16 = launch.dtype == VATTN_BFLOAT16;
  p.b = launch.sequences;
  p.d = launch.head_dim;
  p.d_rounded = launch.head_dim;
  SetScores(launch, &p);
  SetQueries(launch, &p);
  SetKeys(launch, &p);
  p.seqlen_q_rounded = RoundUp(p.seqlen_q, 128);
  p.seqlen_k_rounded = RoundUp(p.seqlen_k, 128);
  p.num_splits = launch.splits;
  p.softmax_lse_ptr = launch.lse;
  p.softmax_lseaccum_ptr = launch.partial_lse;
  p.oaccum_ptr = launch.partial_output;
  return p;
}

template <typename T, int kDim, bool kCausal>
void RunKernel(const Launch& launch, Parameters& parameters, cudaStream_t stream) {
  if (launch.form == KernelForm::kPlain) {
    FLASH_NAMESPACE::run_mha_fwd_<T, kDim, kCausal>(parameters, stream);
  } else {
    FLASH_NAMESPACE::run_mha_fwd_splitkv_dispatch<T, kDim, kCausal>(parameters, stream);
  }
}

template <typename T>
bool RunOfType(const Launch& launch, Parameters& parameters, cudaStream_t stream) {
  switch (launch.head_dim) {
#define VATTN_CASE(D)                                     \
  case D:                                                 \
    if (parameters.is_causal) {                           \
      RunKernel<T, D, true>(launch, parameters, stream);  \
    } else {                                              \
      RunKernel<T, D, false>(launch, parameters, stream); \
    }                                                     \
    return true;
    VATTN_CUDA_HEAD_DIMS(VATTN_CASE)
#undef VATTN_CASE
    default:
      return false;
  }
}

bool RunAny(const Launch& launch, Parameters& parameters, cudaStream_t stream) {
#if VATTN_CUDA_BFLOAT16
  if (launch.dtype == VATTN_BFLOAT16) {
    return RunOfType<cutlass::bfloat16_t>(launch, parameters, stream);
  }
#endif
#if VATTN_CUDA_FLOAT16
  if (launch.dtype == VATTN_FLOAT16) {
    return RunOfType<cutlass::half_t>(launch, parameters, stream);
  }
#endif
  return false;
}

}  // namespace

bool ShiftsAlibi(const Launch& launch) {
  return launch.alibi != nullptr && UsesCausalKernel(launch);
}

void Enqueue(const Launch& launch, cudaStream_t stream) {
  (void)cudaGetLastError();  // upstream's checks would take somebody else's for their own
  Parameters parameters = MakeParameters(launch);
  // What was not built has been refused when the plan was made.
  if (!RunAny(launch, parameters, stream)) Check(cudaErrorNoKernelImageForDevice, "flash_fwd");
  CheckLaunch("flash_fwd");
}

LseLayout LayoutOfLse(const Launch& launch) {
  LseLayout layout{};
  if (launch.query_start != nullptr) {
    layout.row_stride = 1;
    layout.head_stride = launch.rows;
  } else {
    layout.row_stride = launch.query_heads;
    layout.head_stride = 1;
  }
  layout.alibi_shift = ShiftsAlibi(launch);
  return layout;
}

}  // namespace vattention::flash_attention_2
