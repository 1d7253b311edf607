#include "memory/cuda_event.h"

#include <string>
#include <utility>

namespace vattention {
namespace {

constexpr DriverStatus kCaptured = {VATTN_BUSY, "cuStreamIsCapturing", 0};

}  // namespace

DriverStatus CudaEvent::Record(const std::shared_ptr<CudaContext>& context, cuda::Stream stream,
                               std::unique_ptr<CudaEvent>* event) {
  const CudaContext::Scope scope(*context);
  const cuda::Api& api = context->api();
  if (context->IsCapturing(stream)) return kCaptured;
  // An event takes the device a few microseconds, however idle it is: who asks for the point that
  // an idle stream is at need not wait. What the default stream answers for is not only its own.
  if (stream != nullptr && api.stream_query(stream) == cuda::kSuccess) {
    *event = Past(context);
    return {};
  }
  cuda::Event made = nullptr;
  cuda::Result result = api.event_create(&made, cuda::kEventDisableTiming);
  if (result != cuda::kSuccess) return cuda::Failed("cuEventCreate", result);
  std::unique_ptr<CudaEvent> owned(new CudaEvent(context, made));
  result = api.event_record(made, stream);
  if (result != cuda::kSuccess) return cuda::Failed("cuEventRecord", result);
  *event = std::move(owned);
  return {};
}

std::unique_ptr<CudaEvent> CudaEvent::Past(std::shared_ptr<CudaContext> context) {
  return std::unique_ptr<CudaEvent>(new CudaEvent(std::move(context), nullptr));
}

CudaEvent::~CudaEvent() {
  if (event_ == nullptr) return;
  const CudaContext::Scope scope(*context_);
  context_->api().event_destroy(event_);
}

// After an error of the device nothing runs any more, so that there is nothing to wait for.
bool CudaEvent::Done() {
  if (event_ == nullptr) return true;
  const CudaContext::Scope scope(*context_);
  return context_->api().event_query(event_) != cuda::kNotReady;
}

DriverStatus CudaEvent::MakeStreamWait(vattn_stream stream) {
  if (stream.device_type != VATTN_DEVICE_CUDA) return DriverEvent::MakeStreamWait(stream);
  std::shared_ptr<CudaContext> context = context_;
  if (stream.device_index != context_->device_index()) {
    std::string why;
    context = CudaContext::Make(stream.device_index, &why);
    if (context == nullptr) return {VATTN_UNSUPPORTED, "cuDevicePrimaryCtxRetain", 0};
  }
  const CudaContext::Scope scope(*context);
  const cuda::Stream waiting = cuda::StreamOf(stream);
  // Refused in any case, not only when there happens to be something to wait for.
  if (context->IsCapturing(waiting)) return kCaptured;
  if (event_ == nullptr) return {};
  return cuda::Check("cuStreamWaitEvent", context_->api().stream_wait_event(waiting, event_, 0));
}

}  // namespace vattention
