#include "cache.h"

#include <utility>

#include "environment.h"
#include "fence.h"
#include "node/args.h"
#include "node/tags.h"

namespace vattention::core {

using node::Elements;
using node::ErrorRecord;
using node::Integer;

void WriteStepNumbers(const vattn_step_result& result, double* numbers) {
  numbers[0] = result.outcome;
  numbers[1] = result.limit;
  numbers[2] = result.driver_calls;
  numbers[3] = static_cast<double>(result.mapped_bytes);
  numbers[4] = static_cast<double>(result.needed_bytes);
  numbers[5] = static_cast<double>(result.pending_bytes);
  numbers[6] = static_cast<double>(result.evictable_bytes);
}

Napi::Function Cache::Define(Napi::Env env) {
  return DefineClass(env, "Cache",
                     {
                         InstanceMethod<&Cache::Ref>("ref"),
                         InstanceMethod<&Cache::Allocate>("allocate"),
                         InstanceMethod<&Cache::AllocateShared>("allocateShared"),
                         InstanceMethod<&Cache::Fork>("fork"),
                         InstanceMethod<&Cache::Step>("step"),
                         InstanceMethod<&Cache::StepAsync>("stepAsync"),
                         InstanceMethod<&Cache::Truncate>("truncate"),
                         InstanceMethod<&Cache::Slide>("slide"),
                         InstanceMethod<&Cache::Free>("free"),
                         InstanceMethod<&Cache::CreateSpans>("createSpans"),
                         InstanceMethod<&Cache::ReleaseSpan>("releaseSpan"),
                         InstanceMethod<&Cache::Attach>("attach"),
                         InstanceMethod<&Cache::Detach>("detach"),
                         InstanceMethod<&Cache::WaitReady>("waitReady"),
                         InstanceMethod<&Cache::RecordFence>("recordFence"),
                         InstanceMethod<&Cache::View>("view"),
                         InstanceMethod<&Cache::Slots>("slots"),
                         InstanceMethod<&Cache::BackedLength>("backedLength"),
                         InstanceMethod<&Cache::FirstKept>("firstKept"),
                         InstanceMethod<&Cache::Stats>("stats"),
                         InstanceMethod<&Cache::SetLimit>("setLimit"),
                         InstanceMethod<&Cache::Trim>("trim"),
                         InstanceMethod<&Cache::TrimAsync>("trimAsync"),
                         InstanceMethod<&Cache::PauseMapper>("pauseMapper"),
                         InstanceMethod<&Cache::ResumeMapper>("resumeMapper"),
                         InstanceMethod<&Cache::DrainMapper>("drainMapper"),
                         InstanceMethod<&Cache::DrainMapperAsync>("drainMapperAsync"),
                         InstanceMethod<&Cache::Trace>("trace"),
                         InstanceMethod<&Cache::SetFaults>("setFaults"),
                         InstanceMethod<&Cache::Check>("check"),
                         InstanceMethod<&Cache::Pending>("pending"),
                         InstanceMethod<&Cache::Close>("close"),
                     });
}

Cache::Cache(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Cache>(info) {
  const Napi::Env env = info.Env();
  const CacheOptions options(info[0].As<Napi::Object>());
  result_numbers_ = Elements<double>(info[1]).data();
  trace_events_ = options.get()->trace_events;
  on_host_ = options.get()->device_type == VATTN_DEVICE_CPU;
  const auto& host = Environment::Of(env).host;
  jobs_ = std::make_unique<JobThread>(host);
  ErrorRecord error;
  node::Check(env, vattn_contiguous_create(options.get(), &ref_, &error), error);
  results_ = Napi::Reference<Napi::Float64Array>::New(info[1].As<Napi::Float64Array>(), 1);
  if (info[2].IsFunction()) {
    feed_ = std::make_shared<EventFeed>(host, info[2].As<Napi::Function>());
    const vattn_status status =
        vattn_events_listen(ref_.cache, EventFeed::OnEvent, feed_.get(), &error);
    if (status != VATTN_OK) {
      ref_.api->release(std::exchange(ref_, {}).cache);
      throw node::MakeError(env, status, error);
    }
  }
  ReportMemory(env);
}

Cache::~Cache() {
  // In order: nobody calls the cache, the cache calls nobody, the cache goes.
  if (jobs_ != nullptr) jobs_->Stop();
  if (ref_.cache == nullptr) return;
  if (feed_ != nullptr) {
    vattn_events_listen(ref_.cache, nullptr, nullptr, nullptr);
    feed_->Close();
  }
  ReportMemory(Env(), 0);
  ref_.api->release(ref_.cache);
}

Napi::Value Cache::Step(const Napi::CallbackInfo& info) {
  const auto sequences = Elements<uint32_t>(info[0]);
  const auto lengths = Elements<uint32_t>(info[1]);
  vattn_step_result result;
  result.size = sizeof(result);
  ErrorRecord error;
  const vattn_status status =
      ref_.api->step(ref_.cache, sequences.data(), lengths.data(),
                     static_cast<int32_t>(sequences.size()), &result, &error);
  if (status != VATTN_OK) throw node::MakeError(info.Env(), status, error);
  WriteStepNumbers(result, result_numbers_);
  if (result.driver_calls > 0) ReportMemory(info.Env());
  return Napi::Number::New(info.Env(), result.outcome);
}

Napi::Value Cache::Ref(const Napi::CallbackInfo& info) { return node::WrapCache(info.Env(), ref_); }

Napi::Value Cache::Reserved(Napi::Env env, vattn_status status, vattn_sequence sequence,
                            const vattn_error& error) {
  if (status == VATTN_NO_SLOT) return Napi::Number::New(env, 0);
  node::Check(env, status, error);
  return Napi::Number::New(env, sequence);
}

Napi::Value Cache::Allocate(const Napi::CallbackInfo& info) {
  vattn_sequence sequence = 0;
  ErrorRecord error;
  const vattn_status status = ref_.api->allocate(ref_.cache, &sequence, &error);
  return Reserved(info.Env(), status, sequence, error);
}

Napi::Value Cache::AllocateShared(const Napi::CallbackInfo& info) {
  const auto spans = Elements<uint32_t>(info[0]);
  vattn_sequence sequence = 0;
  ErrorRecord error;
  const vattn_status status =
      vattn_allocate_shared(ref_.cache, spans.data(), static_cast<int32_t>(spans.size()),
                            Integer<uint32_t>(info[1]), &sequence, &error);
  return Reserved(info.Env(), status, sequence, error);
}

Napi::Value Cache::Fork(const Napi::CallbackInfo& info) {
  vattn_sequence sequence = 0;
  ErrorRecord error;
  const vattn_status status = ref_.api->fork(ref_.cache, Integer<uint32_t>(info[0]),
                                             Integer<uint32_t>(info[1]), &sequence, &error);
  return Reserved(info.Env(), status, sequence, error);
}

void Cache::Truncate(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(),
              ref_.api->truncate(ref_.cache, Integer<uint32_t>(info[0]), Integer<uint32_t>(info[1]),
                                 Fence::OfArgument(info[2]), &error),
              error);
}

void Cache::Slide(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(),
              ref_.api->slide(ref_.cache, Integer<uint32_t>(info[0]), Integer<uint32_t>(info[1]),
                              Fence::OfArgument(info[2]), &error),
              error);
}

void Cache::Free(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(
      info.Env(),
      ref_.api->free(ref_.cache, Integer<uint32_t>(info[0]), Fence::OfArgument(info[1]), &error),
      error);
}

void Cache::CreateSpans(const Napi::CallbackInfo& info) {
  const auto sequence = Integer<uint32_t>(info[0]);
  const auto from = Integer<uint32_t>(info[1]);
  const auto block = Integer<uint32_t>(info[2]);
  const auto out = Elements<uint32_t>(info[3]);
  ErrorRecord error;
  for (size_t i = 0; i < out.size(); ++i) {
    const uint32_t start = from + static_cast<uint32_t>(i) * block;
    const vattn_status status =
        vattn_span_create(ref_.cache, sequence, start, start + block, &out[i], &error);
    if (status == VATTN_OK) continue;
    uint64_t freed = 0;
    while (i > 0) vattn_span_release(ref_.cache, out[--i], &freed, nullptr);
    throw node::MakeError(info.Env(), status, error);
  }
}

Napi::Value Cache::ReleaseSpan(const Napi::CallbackInfo& info) {
  uint64_t freed = 0;
  ErrorRecord error;
  node::Check(info.Env(),
              vattn_span_release(ref_.cache, Integer<uint32_t>(info[0]), &freed, &error), error);
  return Napi::Number::New(info.Env(), static_cast<double>(freed));
}

static Napi::Object ToTensor(Napi::Env env, const vattn_tensor& tensor) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("data", Napi::BigInt::New(
                         env, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(tensor.data))));
  Napi::Array shape = Napi::Array::New(env);
  Napi::Array strides = Napi::Array::New(env);
  for (int32_t i = 0; i < tensor.rank; ++i) {
    shape.Set(static_cast<uint32_t>(i), static_cast<double>(tensor.shape[i]));
    strides.Set(static_cast<uint32_t>(i), static_cast<double>(tensor.stride[i]));
  }
  object.Set("shape", shape);
  object.Set("strides", strides);
  return object;
}

Napi::Value Cache::View(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  vattn_cache_view view{};
  view.size = sizeof(view);
  ErrorRecord error;
  node::Check(env, ref_.api->view(ref_.cache, &view, &error), error);
  Napi::Array layers = Napi::Array::New(env);
  for (int32_t i = 0; i < view.shape.layers; ++i) {
    Napi::Object layer = Napi::Object::New(env);
    layer.Set("key", ToTensor(env, view.key[i]));
    layer.Set("value", ToTensor(env, view.value[i]));
    layers.Set(static_cast<uint32_t>(i), layer);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("tailRows", static_cast<double>(view.tail_rows));
  result.Set("layers", layers);
  return result;
}

void Cache::Slots(const Napi::CallbackInfo& info) {
  const auto sequences = Elements<uint32_t>(info[0]);
  vattn_rows rows{};
  rows.size = sizeof(rows);
  rows.count = static_cast<int32_t>(sequences.size());
  // Slot indices stay below 2^31, so the sign bit of the Int32Array is never set.
  rows.slot = reinterpret_cast<uint32_t*>(Elements<int32_t>(info[1]).data());
  ErrorRecord error;
  node::Check(info.Env(),
              ref_.api->resolve(ref_.cache, sequences.data(), rows.count, &rows, &error), error);
}

vattn_rows Cache::ResolveOne(Napi::Env env, vattn_sequence sequence, uint32_t* backed,
                             uint32_t* first) {
  vattn_rows rows{};
  rows.size = sizeof(rows);
  rows.count = 1;
  rows.backed_length = backed;
  rows.first_kept = first;
  ErrorRecord error;
  node::Check(env, ref_.api->resolve(ref_.cache, &sequence, 1, &rows, &error), error);
  return rows;
}

Napi::Value Cache::BackedLength(const Napi::CallbackInfo& info) {
  uint32_t backed = 0;
  ResolveOne(info.Env(), Integer<uint32_t>(info[0]), &backed, nullptr);
  return Napi::Number::New(info.Env(), backed);
}

Napi::Value Cache::FirstKept(const Napi::CallbackInfo& info) {
  uint32_t first = 0;
  ResolveOne(info.Env(), Integer<uint32_t>(info[0]), nullptr, &first);
  return Napi::Number::New(info.Env(), first);
}

void Cache::Check(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), vattn_contiguous_check(ref_.cache, &error), error);
}

void Cache::Close(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), vattn_contiguous_close(ref_.cache, &error), error);
  jobs_->Stop();
  if (feed_ != nullptr) {
    vattn_events_listen(ref_.cache, nullptr, nullptr, nullptr);
    feed_->Close();
  }
  attached_.clear();
  ReportMemory(info.Env(), 0);
}

}  // namespace vattention::core
