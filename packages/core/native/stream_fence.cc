#include "stream_fence.h"

#include <memory>
#include <utility>
#include <vector>

#include "environment.h"
#include "fence.h"
#include "memory/cuda_event.h"
#include "memory/fence.h"
#include "memory/status.h"
#include "memory/timeline.h"
#include "stream_argument.h"
#include "vattention/contiguous_cache.h"

namespace vattention::core {

Napi::Value RecordStreamFence(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::Of(env);
  const vattn_stream stream = ReadStream(info);
  std::unique_ptr<DriverEvent> event;
  if (stream.device_type == VATTN_DEVICE_CPU) {
    CheckDriver(env, RecordTimeline(stream, &event), "recording a fence");
  } else {
    const auto device = environment.devices.Get(env, stream.device_index);
    std::unique_ptr<CudaEvent> recorded;
    CheckDriver(env, CudaEvent::Record(device->context(), cuda::StreamOf(stream), &recorded),
                "recording a fence");
    event = std::move(recorded);
  }
  FencePtr fence;
  if (!event->Done()) {
    auto of = std::make_shared<AttachedStream>();
    of->stream = stream;
    std::vector<vattention::Fence::Point> points;
    points.push_back({std::move(of), std::move(event)});
    fence = std::make_shared<vattention::Fence>(std::move(points));
  }
  // Fences of all caches are of one kind: any cache takes this one.
  return Fence::Make(
      env, std::make_shared<SharedFence>(vattn_contiguous_api(), MakeFenceHandle(std::move(fence)),
                                         environment.timelines.Find(stream)));
}

void MakeStreamWait(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const FencePtr fence = FenceOf(Fence::OfArgument(info[3]));
  if (Passed(fence)) return;
  const DriverStatus status = fence->MakeStreamWait(ReadStream(info));
  if (status.status == VATTN_UNSUPPORTED) {
    node::ErrorRecord error;
    const Status explained =
        Status::Error(VATTN_UNSUPPORTED,
                      "Only a stream of a GPU can wait, and only for work of a GPU. Await the "
                      "fence before giving the stream more to do.");
    throw node::MakeError(env, Report(explained, &error), error);
  }
  CheckDriver(env, status, "making a stream wait");
}

}  // namespace vattention::core
