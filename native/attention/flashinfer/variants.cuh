// What is computed from a product of query and key: the parts of FlashInfer's kernels that a caller
// brings.
#ifndef VATTENTION_ATTENTION_FLASHINFER_VARIANTS_CUH_
#define VATTENTION_ATTENTION_FLASHINFER_VARIANTS_CUH_

#include <flashinfer/attention/variants.cuh>

namespace vattention::flashinfer {

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

// The same with a soft cap and with ALiBi by the distance of two positions: log-sum-exps are the
// contract's, and need no shift.
struct General : ::flashinfer::AttentionVariantBase {
  static constexpr bool use_softmax = true;

  uint32_t qo_len;
  uint32_t kv_len;
  uint32_t window_left;
  float sm_scale_log2;  // of what LogitsTransform returns
  float soft_cap_inverse;

  template <typename Params>
  __device__ __host__ General(const Params& params, uint32_t sequence, uint8_t*)
      : qo_len(params.get_qo_len(sequence)),
        kv_len(params.get_kv_len(sequence)),
        window_left(params.window_left >= 0 ? params.window_left : kv_len),
        sm_scale_log2(::flashinfer::math::log2e),
        soft_cap_inverse(params.logits_soft_cap > 0 ? 1.F / params.logits_soft_cap : 0.F) {}

  template <typename Params, typename T>
  __device__ __forceinline__ T LogitsTransform(const Params& params, T product, uint32_t,
                                               uint32_t query, uint32_t key, uint32_t head,
                                               uint32_t) {
    float score = product * params.sm_scale;
    if (params.logits_soft_cap > 0) {
      score = params.logits_soft_cap * Tanh(score * soft_cap_inverse);
    }
    if (params.maybe_alibi_slopes != nullptr) {
      const int distance = static_cast<int>(key + qo_len) - static_cast<int>(query + kv_len);
      score += __ldg(params.maybe_alibi_slopes + head) * static_cast<float>(distance);
    }
    return score;
  }

  template <typename Params>
  __device__ __forceinline__ bool LogitsMask(const Params&, uint32_t, uint32_t query, uint32_t key,
                                             uint32_t, uint32_t) {
    return key + qo_len + window_left >= kv_len + query;
  }
};

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_VARIANTS_CUH_
