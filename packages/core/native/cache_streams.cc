// Streams and fences of a cache.
#include "cache.h"
#include "environment.h"
#include "fence.h"
#include "node/args.h"

namespace vattention::core {
namespace {

using node::ErrorRecord;

// (deviceType, deviceIndex, handle)
vattn_stream ReadStream(const Napi::CallbackInfo& info) {
  return {node::Integer<int32_t>(info[0]), node::Integer<int32_t>(info[1]),
          static_cast<uint64_t>(reinterpret_cast<uintptr_t>(node::Address(info[2])))};
}

}  // namespace

void Cache::Attach(const Napi::CallbackInfo& info) {
  const vattn_stream stream = ReadStream(info);
  auto timeline = Environment::Of(info.Env()).timelines.Find(stream);
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->attach_stream(ref_.cache, stream, &error), error);
  if (timeline != nullptr) timelines_[stream.handle] = std::move(timeline);
}

void Cache::Detach(const Napi::CallbackInfo& info) {
  const vattn_stream stream = ReadStream(info);
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->detach_stream(ref_.cache, stream, &error), error);
  timelines_.erase(stream.handle);
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
