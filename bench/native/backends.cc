#include "bench/native/backends.h"

#include "attention/flash_attention_2/flash_attention_2_backend.h"
#ifdef VATTN_BENCH_FLASH_ATTENTION_3
#include "attention/flash_attention_3/flash_attention_3_backend.h"
#endif
#include "attention/flashinfer/flashinfer_backend.h"
#include "attention/paged_attention/paged_attention_backend.h"

namespace vattention::bench {

std::vector<Backend> Backends() {
  return {
      {"flash-attention-2", vattn_flash_attention_2_backend(), MakeRawFlashAttention2, 0},
#ifdef VATTN_BENCH_FLASH_ATTENTION_3
      {"flash-attention-3", vattn_flash_attention_3_backend(), MakeRawFlashAttention3, 0},
#endif
      {"flashinfer", vattn_flashinfer_backend(), MakeRawFlashInfer, 0},
      {"paged-attention", vattn_paged_attention_backend(), MakeRawPagedAttention, 16},
  };
}

}  // namespace vattention::bench
