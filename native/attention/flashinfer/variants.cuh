// What is computed from a product of query and key: the parts of FlashInfer's kernels that a caller
// brings.
#ifndef VATTENTION_ATTENTION_FLASHINFER_VARIANTS_CUH_
#define VATTENTION_ATTENTION_FLASHINFER_VARIANTS_CUH_

#include <flashinfer/attention/default_prefill_params.cuh>
#include <flashinfer/attention/variants.cuh>

#include "attention/cuda/head_scale.h"

namespace vattention::flashinfer {

// Upstream's parameters over a cache of the queries' type.
template <typename Query>
using Params = ::flashinfer::BatchPrefillPagedParams<Query, Query, Query, int32_t>;

// Over an e4m3 cache, whose numbers have scales.
template <typename Query, typename Stored>
struct ScaledParams : ::flashinfer::BatchPrefillPagedParams<Query, Stored, Query, int32_t> {
  attention::cuda::HeadScale key_scale;
  attention::cuda::HeadScale value_scale;
  const int32_t* slot;  // [sequences]: their row of scales
};

template <typename P>
inline constexpr bool kScaled = sizeof(typename P::DTypeKV) == 1;

__device__ __forceinline__ float At(const attention::cuda::HeadScale& scale, const int32_t* slot,
                                    uint32_t sequence, uint32_t head) {
  if (scale.data == nullptr) return 1.F;
  return __ldg(scale.data + __ldg(slot + sequence) * scale.slot_stride + head * scale.head_stride);
}

// tanh by two approximate instructions, exact to 2^-22: tanh.approx, which upstream uses, is off by
// 2^-11, and a soft cap multiplies that by 50.
__device__ __forceinline__ float Tanh(float x) {
  using ::flashinfer::math::log2e;
  using ::flashinfer::math::ptx_exp2;
  using ::flashinfer::math::ptx_rcp;
  return 1.F - 2.F * ptx_rcp(ptx_exp2(2.F * log2e * x) + 1.F);
}

// softmax(scale * q k), over a window or not: a window as long as the keys masks nothing, so there
// need not be a kernel without one.
using Plain = ::flashinfer::DefaultAttention</*custom mask*/ false, /*window*/ true,
                                             /*soft cap*/ false, /*ALiBi*/ false>;

// The same with a soft cap, with ALiBi by the distance of two positions (log-sum-exps are the
// contract's, and need no shift), and with the scales of an e4m3 cache.
struct General : ::flashinfer::AttentionVariantBase {
  static constexpr bool use_softmax = true;

  uint32_t qo_len;
  uint32_t kv_len;
  uint32_t window_left;
  float sm_scale_log2;  // of what LogitsTransform returns
  float soft_cap_inverse;

  template <typename P>
  __device__ __host__ General(const P& params, uint32_t sequence, uint8_t*)
      : qo_len(params.get_qo_len(sequence)),
        kv_len(params.get_kv_len(sequence)),
        window_left(params.window_left >= 0 ? params.window_left : kv_len),
        sm_scale_log2(::flashinfer::math::log2e),
        soft_cap_inverse(params.logits_soft_cap > 0 ? 1.F / params.logits_soft_cap : 0.F) {}

  template <typename P, typename T>
  __device__ __forceinline__ T LogitsTransform(const P& params, T product, uint32_t sequence,
                                               uint32_t query, uint32_t key, uint32_t head,
                                               uint32_t kv_head) {
    float scale = params.sm_scale;
    if constexpr (kScaled<P>) scale *= At(params.key_scale, params.slot, sequence, kv_head);
    float score = product * scale;
    if (params.logits_soft_cap > 0) {
      score = params.logits_soft_cap * Tanh(score * soft_cap_inverse);
    }
    if (params.maybe_alibi_slopes != nullptr) {
      const int distance = static_cast<int>(key + qo_len) - static_cast<int>(query + kv_len);
      score += __ldg(params.maybe_alibi_slopes + head) * static_cast<float>(distance);
    }
    return score;
  }

  template <typename P>
  __device__ __forceinline__ bool LogitsMask(const P&, uint32_t, uint32_t query, uint32_t key,
                                             uint32_t, uint32_t) {
    return key + qo_len + window_left >= kv_len + query;
  }

  template <typename P, typename T, typename Maximum>
  __device__ __forceinline__ T OutputTransform(const P& params, T sum, uint32_t sequence, uint32_t,
                                               uint32_t head, Maximum& maximum, float& total,
                                               float) {
    // A row that sees nothing is zero.
    float weight = maximum == -::flashinfer::math::inf ? 0.F : ::flashinfer::math::ptx_rcp(total);
    if constexpr (kScaled<P>) {
      weight *= At(params.value_scale, params.slot, sequence, head / params.group_size);
    }
    return sum * weight;
  }
};

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_VARIANTS_CUH_
