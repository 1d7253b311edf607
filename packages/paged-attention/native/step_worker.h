// `step` off the JavaScript thread: its arrays are copied, its result is a promise.
#ifndef VATTENTION_PAGED_ATTENTION_STEP_WORKER_H_
#define VATTENTION_PAGED_ATTENTION_STEP_WORKER_H_

#include <napi.h>

#include <cstdint>
#include <span>
#include <vector>

#include "node/error.h"
#include "vattention/paged_cache.h"

namespace vattention::paged_attention {

class StepWorker final : public Napi::AsyncWorker {
 public:
  // Keeps the cache alive until it has ended.
  StepWorker(Napi::Env env, const vattn_cache_ref& ref, std::span<const uint32_t> sequences,
             std::span<const uint32_t> lengths);
  ~StepWorker() override;
  Napi::Promise Promise() const { return deferred_.Promise(); }

 private:
  void Execute() override;
  void OnOK() override;

  const vattn_cache_ref ref_;
  const std::vector<uint32_t> sequences_;
  const std::vector<uint32_t> lengths_;
  const Napi::Promise::Deferred deferred_;
  vattn_step_result result_ = {};
  vattn_status status_ = VATTN_OK;
  node::ErrorRecord error_;
};

}  // namespace vattention::paged_attention

#endif  // VATTENTION_PAGED_ATTENTION_STEP_WORKER_H_
