// Streams and fences of a cache.
#include "cache.h"
#include "environment.h"
#include "fence.h"
#include "node/args.h"
#include "stream_argument.h"

namespace vattention::core {

using node::ErrorRecord;

void Cache::Attach(const Napi::CallbackInfo& info) {
  const vattn_stream stream = ReadStream(info);
  Environment& environment = Environment::Of(info.Env());
  Attached attached{environment.timelines.Find(stream), environment.devices.FindStream(stream)};
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->attach_stream(ref_.cache, stream, &error), error);
  attached_[stream.handle] = std::move(attached);
}

void Cache::Detach(const Napi::CallbackInfo& info) {
  const vattn_stream stream = ReadStream(info);
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->detach_stream(ref_.cache, stream, &error), error);
  attached_.erase(stream.handle);
}

void Cache::WaitReady(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->wait_ready(ref_.cache, ReadStream(info), &error), error);
}

Napi::Value Cache::RecordFence(const Napi::CallbackInfo& info) {
  const vattn_stream stream = ReadStream(info);
  vattn_fence* fence = nullptr;
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->record_fence(ref_.cache, stream, &fence, &error), error);
  return Fence::Make(info.Env(),
                     std::make_shared<SharedFence>(
                         ref_.api, fence, Environment::Of(info.Env()).timelines.Find(stream)));
}

}  // namespace vattention::core
