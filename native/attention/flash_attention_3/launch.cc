#include "attention/flash_attention_3/launch.h"

#include <cutlass/numeric_types.h>

#include <type_traits>

#include "attention/built.h"
#include "attention/cuda/cuda_error.h"
#include "attention/cuda/zero_counter.h"
#include "flash.h"

// Upstream's kernels, compiled one file each: <device, elements, head dims, split, page table by
// copies, soft cap, packed>.
#define VATTN_KERNEL(T, D, SPLIT, COPIES, CAP, PACKED)                                          \
  extern template void run_mha_fwd_<90, T, D, D, SPLIT, COPIES, CAP, PACKED>(Flash_fwd_params&, \
                                                                             cudaStream_t);
#define VATTN_KERNELS(T, D, CAP)               \
  VATTN_KERNEL(T, D, false, false, CAP, false) \
  VATTN_KERNEL(T, D, false, false, CAP, true)  \
  VATTN_KERNEL(T, D, true, false, CAP, true)   \
  VATTN_KERNEL(T, D, false, true, CAP, true)   \
  VATTN_KERNEL(T, D, true, true, CAP, true)
#if VATTN_CUDA_SOFT_CAP
#define VATTN_KERNELS_OF(T, D) VATTN_KERNELS(T, D, false) VATTN_KERNELS(T, D, true)
#else
#define VATTN_KERNELS_OF(T, D) VATTN_KERNELS(T, D, false)
#endif
#if VATTN_CUDA_BFLOAT16
#define VATTN_BFLOAT16_KERNELS(D) VATTN_KERNELS_OF(cutlass::bfloat16_t, D)
VATTN_CUDA_HEAD_DIMS(VATTN_BFLOAT16_KERNELS)
#endif
#if VATTN_CUDA_FLOAT16
#define VATTN_FLOAT16_KERNELS(D) VATTN_KERNELS_OF(cutlass::half_t, D)
VATTN_CUDA_HEAD_DIMS(VATTN_FLOAT16_KERNELS)
#endif
#if VATTN_CUDA_FP8
#define VATTN_E4M3_KERNELS(D) VATTN_KERNELS_OF(cutlass::float_e4m3_t, D)
VATTN_CUDA_HEAD_DIMS(VATTN_E4M3_KERNELS)
#endif
#define VATTN_COMBINE(T)                                                                          \
  extern template void run_mha_fwd_combine_<T, float, 64>(Flash_fwd_params&, cudaStream_t, bool); \
  extern template void run_mha_fwd_combine_<T, float, 128>(Flash_fwd_params&, cudaStream_t, bool);
VATTN_COMBINE(cutlass::bfloat16_t)
VATTN_COMBINE(cutlass::half_t)

namespace vattention::flash_attention_3 {

using attention::cuda::Check;
using attention::cuda::CheckLaunch;
using attention::cuda::LseLayout;

namespace {

constexpr int kArch = 90;
// Upstream launches its scheduler's kernel and attention one into the other up to here.
constexpr int32_t kMaxOverlappedSequences = 992;

int32_t RoundUp(int32_t value, int32_t step) { return (value + step - 1) / step * step; }

template <typename T>
T* Mutable(const T* pointer) {
  return const_cast<T*>(pointer);  // upstream's parameters are not const
}

// Whether lengths come from arrays, for which upstream has a scheduler of its own.
bool HasLengths(const Launch& launch) { return launch.kernel.keys != Keys::kOneSlot; }

// Whether thread blocks draw tiles from a counter.
bool CountsTiles(const Launch& launch) {
  return HasLengths(launch) || (launch.kernel.mask != Mask::kNone && launch.kernel.splits == 1);
}

void SetQueries(const Launch& launch, Flash_fwd_params* p) {
  p->q_ptr = launch.query.data;
  p->o_ptr = launch.output.data;
  p->q_row_stride = launch.query.row_stride;
  p->o_row_stride = launch.output.row_stride;
  p->q_head_stride = launch.query.head_stride;
  p->o_head_stride = launch.output.head_stride;
  p->b = launch.sequences;
  p->h = launch.query_heads;
  p->h_k = launch.kv_heads;
  p->seqlen_q = launch.max_query;
  p->total_q = launch.rows;
  if (launch.query_start != nullptr) {
    p->cu_seqlens_q = Mutable(launch.query_start);
  } else {
    p->q_batch_stride = launch.max_query * launch.query.row_stride;
    p->o_batch_stride = launch.max_query * launch.output.row_stride;
  }
}

void SetKeys(const Launch& launch, Flash_fwd_params* p) {
  p->k_ptr = Mutable(launch.key);
  p->v_ptr = Mutable(launch.value);
  p->k_batch_stride = launch.key_slot_stride;
  p->k_row_stride = launch.key_row_stride;
  p->k_head_stride = launch.key_head_stride;
  p->v_batch_stride = launch.value_slot_stride;
  p->v_row_stride = launch.value_row_stride;
  p->v_head_stride = launch.value_head_stride;
  p->v_dim_stride = 1;
  p->seqused_k = Mutable(launch.key_length);
  p->seqlen_k = launch.max_key;
  p->page_size = 1;
  switch (launch.kernel.keys) {
    case Keys::kOneSlot:
      p->b_k = 1;
      break;
    case Keys::kSlots:
      p->b_k = launch.slots;
      p->kv_batch_idx = Mutable(launch.slot);
      break;
    case Keys::kTable:
    case Keys::kTableByTma:
      p->b_k = launch.sequences;
      p->page_table = Mutable(launch.table);
      p->page_table_batch_stride = launch.table_stride;
      p->page_size = launch.page_tokens;
      p->num_pages = launch.slots;
      p->pagedkv_tma = launch.kernel.keys == Keys::kTableByTma;
      p->seqlen_k = static_cast<int>(launch.table_stride * launch.page_tokens);
      break;
  }
  p->total_k = p->seqlen_k;
}

// Partial results as the kernels write them and combine reads them: [split, head, row] or, of
// decoding rows, [split, row, head].
void SetPartials(const Launch& launch, Flash_fwd_params* p) {
  p->num_splits = launch.kernel.splits;
  if (launch.kernel.splits == 1) return;
  const int64_t rows = launch.query_start != nullptr ? launch.rows : launch.max_query;
  const int64_t dim = launch.head_dim;
  const int64_t heads = launch.query_heads;
  p->softmax_lseaccum_ptr = launch.partial_lse;
  p->lseaccum_head_stride = rows;
  p->lseaccum_batch_stride = heads * rows;
  p->lseaccum_split_stride = heads * launch.rows;
  p->oaccum_ptr = launch.partial_output;
  p->oaccum_row_stride = dim;
  p->oaccum_head_stride = rows * dim;
  p->oaccum_batch_stride = heads * rows * dim;
  p->oaccum_split_stride = heads * launch.rows * dim;
}

void SetSchedule(const Launch& launch, Flash_fwd_params* p) {
  const bool windowed = launch.kernel.mask == Mask::kWindow;
  int32_t* next = launch.schedule;
  if (HasLengths(launch)) {
    const int32_t step = RoundUp(launch.sequences, 4);
    const auto take = [&] {
      int32_t* taken = next;
      next += step;
      return taken;
    };
    p->varlen_sort_batches = !windowed;
    p->head_swizzle = launch.kernel.mask != Mask::kNone;
    p->num_splits_dynamic_ptr = take();
    p->num_m_blocks_ptr = take();
    if (p->varlen_sort_batches) p->varlen_batch_idx_ptr = take();
    if (p->head_swizzle) p->num_nheads_in_l2_ptr = take();
    p->prepare_varlen_pdl = launch.sequences <= kMaxOverlappedSequences;
    p->skip_scheduler_metadata_computation = kSchedulesOncePerPass;
  }
  p->tile_count_semaphore_offset = static_cast<int>(next - launch.schedule);
  if (CountsTiles(launch)) p->tile_count_semaphore = next;
}

void SetScales(const Launch& launch, Flash_fwd_params* p) {
  p->q_descale_ptr = Mutable(launch.query_scale.data);
  p->q_descale_batch_stride = launch.query_scale.sequence_stride;
  p->q_descale_head_stride = launch.query_scale.head_stride;
  p->k_descale_ptr = Mutable(launch.key_scale.data);
  p->k_descale_batch_stride = launch.key_scale.sequence_stride;
  p->k_descale_head_stride = launch.key_scale.head_stride;
  p->v_descale_ptr = Mutable(launch.value_scale.data);
  p->v_descale_batch_stride = launch.value_scale.sequence_stride;
  p->v_descale_head_stride = launch.value_scale.head_stride;
}

Flash_fwd_params MakeParameters(const Launch& launch) {
  Flash_fwd_params p{};
  p.is_bf16 = launch.dtype == VATTN_BFLOAT16;
  p.is_e4m3 = launch.dtype == VATTN_FLOAT8_E4M3;
  p.d = p.d_rounded = p.dv = p.dv_rounded = launch.head_dim;
  p.scale_softmax = launch.scale;
  p.softcap = launch.soft_cap;
  p.is_causal = launch.kernel.mask == Mask::kCausal;
  p.is_local = launch.kernel.mask == Mask::kWindow;
  p.window_size_left = launch.kernel.window_left;
  p.window_size_right = launch.kernel.window_right;
  p.pack_gqa = launch.kernel.packed;
  p.arch = kArch;
  p.num_sm = launch.multiprocessors;
  // No dropout.
  p.p_dropout = 1;
  p.rp_dropout = 1;
  p.p_dropout_in_uint8_t = 255;
  SetQueries(launch, &p);
  SetKeys(launch, &p);
  SetPartials(launch, &p);
  SetSchedule(launch, &p);
  SetScales(launch, &p);
  p.seqlen_q_rounded = RoundUp(p.seqlen_q, 128);
  p.seqlen_k_rounded = RoundUp(p.seqlen_k, 128);
  p.softmax_lse_ptr = launch.lse;
  return p;
}

// What kernels write for elements of T.
template <typename T>
using Output = std::conditional_t<std::is_same_v<T, cutlass::float_e4m3_t>, cutlass::bfloat16_t, T>;

template <typename T, int kDim, bool kCap>
void RunKernel(const Launch& launch, Flash_fwd_params& p, cudaStream_t stream) {
  const bool copies = launch.kernel.keys == Keys::kTable;
  if (launch.kernel.splits > 1) {
    if (copies) {
      run_mha_fwd_<kArch, T, kDim, kDim, true, true, kCap, true>(p, stream);
    } else {
      run_mha_fwd_<kArch, T, kDim, kDim, true, false, kCap, true>(p, stream);
    }
    run_mha_fwd_combine_<Output<T>, float, kDim <= 64 ? 64 : 128>(p, stream, /*enable_pdl=*/true);
  } else if (copies) {
    run_mha_fwd_<kArch, T, kDim, kDim, false, true, kCap, true>(p, stream);
  } else if (launch.kernel.packed) {
    run_mha_fwd_<kArch, T, kDim, kDim, false, false, kCap, true>(p, stream);
  } else {
    run_mha_fwd_<kArch, T, kDim, kDim, false, false, kCap, false>(p, stream);
  }
}

template <typename T, int kDim>
bool RunOfDim(const Launch& launch, Flash_fwd_params& p, cudaStream_t stream) {
  if (launch.soft_cap == 0) {
    RunKernel<T, kDim, false>(launch, p, stream);
    return true;
  }
#if VATTN_CUDA_SOFT_CAP
  RunKernel<T, kDim, true>(launch, p, stream);
  return true;
#else
  return false;
#endif
}

template <typename T>
bool RunOfType(const Launch& launch, Flash_fwd_params& p, cudaStream_t stream) {
  switch (launch.head_dim) {
#define VATTN_CASE(D) \
  case D:             \
    return RunOfDim<T, D>(launch, p, stream);
    VATTN_CUDA_HEAD_DIMS(VATTN_CASE)
#undef VATTN_CASE
    default:
      return false;
  }
}

bool RunAny(const Launch& launch, Flash_fwd_params& p, cudaStream_t stream) {
#if VATTN_CUDA_BFLOAT16
  if (launch.dtype == VATTN_BFLOAT16) return RunOfType<cutlass::bfloat16_t>(launch, p, stream);
#endif
#if VATTN_CUDA_FLOAT16
  if (launch.dtype == VATTN_FLOAT16) return RunOfType<cutlass::half_t>(launch, p, stream);
#endif
#if VATTN_CUDA_FP8
  if (launch.dtype == VATTN_FLOAT8_E4M3) {
    return RunOfType<cutlass::float_e4m3_t>(launch, p, stream);
  }
#endif
  return false;
}

// Upstream asserts these, in builds that are badly slow.
void CheckLimits(const Launch& launch) {
  constexpr int32_t kMaxSplits = 255;     // 8 bits of a tile's number
  constexpr int32_t kMaxHeads = 1 << 16;  // 16 bits
  const bool split_fits = launch.kernel.splits >= 1 && launch.kernel.splits <= kMaxSplits;
  const bool tile_fits =
      launch.kernel.keys != Keys::kTableByTma || launch.page_tokens % launch.kernel.tile.keys == 0;
  if (!split_fits || !tile_fits || launch.query_heads >= kMaxHeads) {
    Check(cudaErrorInvalidConfiguration, "flash_fwd");
  }
}

}  // namespace

void EnqueueSchedule(const Launch& launch, cudaStream_t stream) {
  if (!kSchedulesOncePerPass || !HasLengths(launch)) return;
  (void)cudaGetLastError();
  Flash_fwd_params p = MakeParameters(launch);
  prepare_varlen_num_blocks(p, stream, launch.kernel.packed, launch.kernel.tile.rows,
                            launch.kernel.tile.keys, /*enable_pdl=*/false);
  CheckLaunch("prepare_varlen_num_blocks");
}

void Enqueue(const Launch& launch, cudaStream_t stream) {
  CheckLimits(launch);
  (void)cudaGetLastError();  // upstream's checks would take somebody else's for their own
  Flash_fwd_params p = MakeParameters(launch);
  // The counter of tiles is where the last launch left it; behind splits, combine sets it back.
  const bool set_back = launch.kernel.splits > 1;
  if (p.tile_count_semaphore != nullptr && !set_back &&
      (p.skip_scheduler_metadata_computation || !HasLengths(launch))) {
    attention::cuda::ZeroCounter(p.tile_count_semaphore, stream);
  }
  // What was not built has been refused when the plan was made.
  if (!RunAny(launch, p, stream)) Check(cudaErrorNoKernelImageForDevice, "flash_fwd");
  CheckLaunch("flash_fwd");
}

LseLayout LayoutOfLse(const Launch& launch) {
  LseLayout layout{};
  if (launch.query_start == nullptr && launch.max_query == 1) {
    layout.row_stride = launch.query_heads;
    layout.head_stride = 1;
  } else {
    layout.row_stride = 1;
    layout.head_stride = launch.rows;
  }
  return layout;
}

}  // namespace vattention::flash_attention_3
