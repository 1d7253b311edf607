#include "cache.h"

#include <string>
#include <vector>

#include "fence.h"
#include "node/args.h"
#include "node/error.h"
#include "node/tags.h"
#include "options.h"
#include "records.h"
#include "step_worker.h"

namespace vattention::paged_attention {
namespace {

using node::Elements;
using node::ErrorRecord;
using node::Integer;

// Numbers that a call may write into `results`.
constexpr size_t kResultNumbers = kStepNumbers;

vattn_stream Stream(const Napi::CallbackInfo& info) {
  bool lossless = false;
  return {.device_type = Integer<int32_t>(info[0]),
          .device_index = Integer<int32_t>(info[1]),
          .handle = info[2].As<Napi::BigInt>().Uint64Value(&lossless)};
}

// A sequence, 0 when no slot is left.
Napi::Value SequenceOrNone(Napi::Env env, vattn_status status, vattn_sequence sequence,
                           const ErrorRecord& error) {
  if (status == VATTN_NO_SLOT) return Napi::Number::New(env, 0);
  node::Check(env, status, error);
  return Napi::Number::New(env, sequence);
}

}  // namespace

Napi::Function Cache::Define(Napi::Env env) {
  return DefineClass(env, "Cache",
                     {InstanceMethod<&Cache::Ref>("ref"),
                      InstanceMethod<&Cache::Allocate>("allocate"),
                      InstanceMethod<&Cache::AllocatePrefix>("allocatePrefix"),
                      InstanceMethod<&Cache::Fork>("fork"),
                      InstanceMethod<&Cache::Step>("step"),
                      InstanceMethod<&Cache::StepAsync>("stepAsync"),
                      InstanceMethod<&Cache::Publish>("publish"),
                      InstanceMethod<&Cache::Truncate>("truncate"),
                      InstanceMethod<&Cache::Slide>("slide"),
                      InstanceMethod<&Cache::Free>("free"),
                      InstanceMethod<&Cache::Attach>("attach"),
                      InstanceMethod<&Cache::Detach>("detach"),
                      InstanceMethod<&Cache::WaitReady>("waitReady"),
                      InstanceMethod<&Cache::RecordFence>("recordFence"),
                      InstanceMethod<&Cache::View>("view"),
                      InstanceMethod<&Cache::BlockTables>("blockTables"),
                      InstanceMethod<&Cache::BackedLength>("backedLength"),
                      InstanceMethod<&Cache::FirstKept>("firstKept"),
                      InstanceMethod<&Cache::Stats>("stats"),
                      InstanceMethod<&Cache::SetLimit>("setLimit"),
                      InstanceMethod<&Cache::DropCached>("dropCached"),
                      InstanceMethod<&Cache::Trace>("trace"),
                      InstanceMethod<&Cache::TakeEvents>("takeEvents"),
                      InstanceMethod<&Cache::SetFaults>("setFaults"),
                      InstanceMethod<&Cache::Check>("check"),
                      InstanceMethod<&Cache::Close>("close")});
}

Cache::Cache(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Cache>(info) {
  const Options options(info[0].As<Napi::Object>());
  const auto results = Elements<double>(info[1]);
  if (results.size() < kResultNumbers) {
    node::ThrowInvalidArgument(info.Env(), "Expected a larger array of results.");
  }
  ref_.size = sizeof(ref_);
  ErrorRecord error;
  node::Check(info.Env(), vattn_paged_create(options.get(), &ref_, &error), error);
  if (options.notify_events()) {
    events_ = std::make_unique<EventQueue>();
    vattn_paged_events_listen(ref_.cache, EventQueue::OnEvent, events_.get(), nullptr);
  }
  results_ = Napi::Persistent(info[1].As<Napi::Float64Array>());
  numbers_ = results.data();
  trace_events_ = options.get()->trace_events;
  vattn_cache_stats stats = {};
  stats.size = sizeof(stats);
  if (ref_.api->stats(ref_.cache, &stats, nullptr) == VATTN_OK) {
    ReportMemory(info.Env(), static_cast<int64_t>(stats.reserved_bytes));
  }
}

Cache::~Cache() {
  if (ref_.cache == nullptr) return;
  // Others may keep the cache; the queue goes.
  vattn_paged_events_listen(ref_.cache, nullptr, nullptr, nullptr);
  ref_.api->release(ref_.cache);
  ReportMemory(Env(), 0);
}

void Cache::ReportMemory(Napi::Env env, int64_t bytes) {
  if (bytes == reported_bytes_) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes - reported_bytes_);
  reported_bytes_ = bytes;
}

Napi::Value Cache::Ref(const Napi::CallbackInfo& info) { return node::WrapCache(info.Env(), ref_); }

Napi::Value Cache::Allocate(const Napi::CallbackInfo& info) {
  vattn_sequence sequence = 0;
  ErrorRecord error;
  const vattn_status status = ref_.api->allocate(ref_.cache, &sequence, &error);
  return SequenceOrNone(info.Env(), status, sequence, error);
}

Napi::Value Cache::AllocatePrefix(const Napi::CallbackInfo& info) {
  const auto tokens = Elements<uint32_t>(info[0]);
  const std::string salt = info[1].As<Napi::String>().Utf8Value();
  vattn_sequence sequence = 0;
  uint32_t shared = 0;
  ErrorRecord error;
  const vattn_status status =
      vattn_paged_allocate_prefix(ref_.cache, tokens.data(), static_cast<uint32_t>(tokens.size()),
                                  salt.data(), salt.size(), &sequence, &shared, &error);
  numbers_[0] = shared;
  return SequenceOrNone(info.Env(), status, sequence, error);
}

Napi::Value Cache::Fork(const Napi::CallbackInfo& info) {
  vattn_sequence sequence = 0;
  ErrorRecord error;
  const vattn_status status = ref_.api->fork(ref_.cache, Integer<uint32_t>(info[0]),
                                             Integer<uint32_t>(info[1]), &sequence, &error);
  return SequenceOrNone(info.Env(), status, sequence, error);
}

Napi::Value Cache::Step(const Napi::CallbackInfo& info) {
  const auto sequences = Elements<uint32_t>(info[0]);
  const auto lengths = Elements<uint32_t>(info[1]);
  vattn_step_result result = {};
  result.size = sizeof(result);
  ErrorRecord error;
  node::Check(info.Env(),
              ref_.api->step(ref_.cache, sequences.data(), lengths.data(),
                             static_cast<int32_t>(sequences.size()), &result, &error),
              error);
  WriteStepResult(result, numbers_);
  return Napi::Number::New(info.Env(), result.outcome);
}

Napi::Value Cache::StepAsync(const Napi::CallbackInfo& info) {
  auto* worker =
      new StepWorker(info.Env(), ref_, Elements<uint32_t>(info[0]), Elements<uint32_t>(info[1]));
  worker->Queue();
  return worker->Promise();
}

void Cache::Publish(const Napi::CallbackInfo& info) {
  const auto tokens = Elements<uint32_t>(info[1]);
  const std::string salt = info[2].As<Napi::String>().Utf8Value();
  ErrorRecord error;
  node::Check(
      info.Env(),
      vattn_paged_publish(ref_.cache, Integer<uint32_t>(info[0]), tokens.data(),
                          static_cast<uint32_t>(tokens.size()), salt.data(), salt.size(), &error),
      error);
}

void Cache::Truncate(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(),
              ref_.api->truncate(ref_.cache, Integer<uint32_t>(info[0]), Integer<uint32_t>(info[1]),
                                 UnwrapFence(info[2]), &error),
              error);
}

void Cache::Slide(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(),
              ref_.api->slide(ref_.cache, Integer<uint32_t>(info[0]), Integer<uint32_t>(info[1]),
                              UnwrapFence(info[2]), &error),
              error);
}

void Cache::Free(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(),
              ref_.api->free(ref_.cache, Integer<uint32_t>(info[0]), UnwrapFence(info[1]), &error),
              error);
}

void Cache::Attach(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->attach_stream(ref_.cache, Stream(info), &error), error);
}

void Cache::Detach(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->detach_stream(ref_.cache, Stream(info), &error), error);
}

void Cache::WaitReady(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->wait_ready(ref_.cache, Stream(info), &error), error);
}

Napi::Value Cache::RecordFence(const Napi::CallbackInfo& info) {
  vattn_fence* fence = nullptr;
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->record_fence(ref_.cache, Stream(info), &fence, &error), error);
  return WrapFence(info.Env(), ref_.api, fence);
}

Napi::Value Cache::View(const Napi::CallbackInfo& info) {
  vattn_cache_view view = {};
  view.size = sizeof(view);
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->view(ref_.cache, &view, &error), error);
  const auto layers = static_cast<uint32_t>(view.shape.layers);
  auto list = Napi::Array::New(info.Env(), layers);
  for (uint32_t i = 0; i < layers; ++i) {
    auto layer = Napi::Object::New(info.Env());
    layer.Set("key", TensorObject(info.Env(), view.key[i]));
    layer.Set("value", TensorObject(info.Env(), view.value[i]));
    list.Set(i, layer);
  }
  auto result = Napi::Object::New(info.Env());
  result.Set("blocks", view.blocks);
  result.Set("finiteTail", view.finite_tail != 0);
  result.Set("layers", list);
  return result;
}

Napi::Value Cache::BlockTables(const Napi::CallbackInfo& info) {
  const auto sequences = Elements<uint32_t>(info[0]);
  const auto out = Elements<int32_t>(info[1]);
  const auto stride = Integer<int64_t>(info[2]);
  vattn_rows rows = {};
  rows.size = sizeof(rows);
  rows.block_table = out.data();
  rows.block_table_stride = stride;
  // An empty array has no address; the widest row must be compared with the stride all the same.
  int32_t nothing = 0;
  if (rows.block_table == nullptr) rows.block_table = &nothing;
  if (out.size() < sequences.size() * static_cast<size_t>(stride)) {
    node::ThrowInvalidArgument(info.Env(), "Expected a larger array of block tables.");
  }
  ErrorRecord error;
  node::Check(info.Env(),
              ref_.api->resolve(ref_.cache, sequences.data(),
                                static_cast<int32_t>(sequences.size()), &rows, &error),
              error);
  return Napi::Number::New(info.Env(), rows.widest);
}

vattn_rows Cache::ResolveOne(const Napi::CallbackInfo& info, uint32_t* backed,
                             uint32_t* first_kept) {
  const auto sequence = Integer<vattn_sequence>(info[0]);
  vattn_rows rows = {};
  rows.size = sizeof(rows);
  rows.backed_length = backed;
  rows.first_kept = first_kept;
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->resolve(ref_.cache, &sequence, 1, &rows, &error), error);
  return rows;
}

Napi::Value Cache::BackedLength(const Napi::CallbackInfo& info) {
  uint32_t backed = 0;
  ResolveOne(info, &backed, nullptr);
  return Napi::Number::New(info.Env(), backed);
}

Napi::Value Cache::FirstKept(const Napi::CallbackInfo& info) {
  uint32_t first_kept = 0;
  ResolveOne(info, nullptr, &first_kept);
  return Napi::Number::New(info.Env(), first_kept);
}

void Cache::Stats(const Napi::CallbackInfo& info) {
  const auto out = Elements<double>(info[0]);
  if (out.size() < kStatsNumbers) {
    node::ThrowInvalidArgument(info.Env(), "Expected a larger array of statistics.");
  }
  vattn_cache_stats stats = {};
  stats.size = sizeof(stats);
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->stats(ref_.cache, &stats, &error), error);
  WriteStats(stats, out.data());
}

void Cache::SetLimit(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->set_limit(ref_.cache, Integer<uint64_t>(info[0]), &error),
              error);
}

void Cache::DropCached(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), vattn_paged_drop_cached(ref_.cache, &error), error);
}

Napi::Value Cache::Trace(const Napi::CallbackInfo& info) {
  std::vector<vattn_event> events(static_cast<size_t>(trace_events_));
  const int32_t count = vattn_paged_trace_read(ref_.cache, events.data(), trace_events_);
  events.resize(static_cast<size_t>(count));
  return EventNumbers(info.Env(), events);
}

Napi::Value Cache::TakeEvents(const Napi::CallbackInfo& info) {
  return EventNumbers(info.Env(),
                      events_ == nullptr ? std::vector<vattn_event>() : events_->Take());
}

Napi::Value Cache::SetFaults(const Napi::CallbackInfo& info) {
  vattn_fault_plan faults = {};
  const bool armed = info[0].IsObject();
  if (armed) faults = FaultPlan(info[0].As<Napi::Object>());
  uint64_t calls = 0;
  ErrorRecord error;
  node::Check(info.Env(),
              vattn_paged_faults_set(ref_.cache, armed ? &faults : nullptr, &calls, &error), error);
  return Napi::Number::New(info.Env(), static_cast<double>(calls));
}

void Cache::Check(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), vattn_paged_check(ref_.cache, &error), error);
}

void Cache::Close(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), vattn_paged_close(ref_.cache, &error), error);
  ReportMemory(info.Env(), 0);
}

}  // namespace vattention::paged_attention
