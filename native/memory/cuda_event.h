// A point in the order of a CUDA stream.
#ifndef VATTENTION_NATIVE_MEMORY_CUDA_EVENT_H_
#define VATTENTION_NATIVE_MEMORY_CUDA_EVENT_H_

#include <memory>

#include "memory/cuda_context.h"
#include "memory/driver.h"

namespace vattention {

class CudaEvent final : public DriverEvent {
 public:
  // The point that `stream`, of the context's device, is at. VATTN_BUSY when the stream is being
  // captured: its work then has no point in time.
  static DriverStatus Record(const std::shared_ptr<CudaContext>& context, cuda::Stream stream,
                             std::unique_ptr<CudaEvent>* event);
  // A point behind which there is nothing to wait for.
  static std::unique_ptr<CudaEvent> Past(std::shared_ptr<CudaContext> context);
  ~CudaEvent() override;
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  // Whether nothing was under way when it was recorded.
  bool IsPast() const { return event_ == nullptr; }
  bool Done() override;
  DriverStatus MakeStreamWait(vattn_stream stream) override;

 private:
  CudaEvent(std::shared_ptr<CudaContext> context, cuda::Event event)
      : context_(std::move(context)), event_(event) {}

  const std::shared_ptr<CudaContext> context_;
  const cuda::Event event_;  // nullptr: the stream had nothing to do
};

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_CUDA_EVENT_H_
