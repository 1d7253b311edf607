#include "step_worker.h"

#include "records.h"

namespace vattention::paged_attention {

StepWorker::StepWorker(Napi::Env env, const vattn_cache_ref& ref,
                       std::span<const uint32_t> sequences, std::span<const uint32_t> lengths)
    : Napi::AsyncWorker(env, "vattention:step"),
      ref_(ref),
      sequences_(sequences.begin(), sequences.end()),
      lengths_(lengths.begin(), lengths.end()),
      deferred_(Napi::Promise::Deferred::New(env)) {
  result_.size = sizeof(result_);
  ref_.api->retain(ref_.cache);
}

StepWorker::~StepWorker() { ref_.api->release(ref_.cache); }

void StepWorker::Execute() {
  status_ = ref_.api->step(ref_.cache, sequences_.data(), lengths_.data(),
                           static_cast<int32_t>(sequences_.size()), &result_, &error_);
}

void StepWorker::OnOK() {
  if (status_ != VATTN_OK) {
    deferred_.Reject(node::MakeError(Env(), status_, error_).Value());
    return;
  }
  auto numbers = Napi::Float64Array::New(Env(), kStepNumbers);
  WriteStepResult(result_, numbers.Data());
  deferred_.Resolve(numbers);
}

}  // namespace vattention::paged_attention
