// `Cache` in JavaScript: a contiguous cache behind the C ABI. src/addon.ts describes its methods;
// TypeScript has checked what arrives here.
#ifndef VATTENTION_CORE_CACHE_H_
#define VATTENTION_CORE_CACHE_H_

#include <napi.h>

#include <functional>
#include <map>
#include <memory>

#include "cache_options.h"
#include "cuda_device.h"
#include "event_feed.h"
#include "job_thread.h"
#include "vattention/contiguous_cache.h"

namespace vattention::core {

// Doubles that a step writes: vattn_step_result without `size`.
inline constexpr size_t kStepNumbers = 7;
void WriteStepNumbers(const vattn_step_result& result, double* numbers);

class Cache : public Napi::ObjectWrap<Cache> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (options, results, onEvents)
  explicit Cache(const Napi::CallbackInfo& info);
  ~Cache() override;

 private:
  class CallJob;
  // Keeps a stream that was made here for as long as the cache looks at it.
  struct Attached {
    std::shared_ptr<vattn_timeline> timeline;
    std::shared_ptr<CudaStream> stream;
  };

  // The hot path.
  Napi::Value Step(const Napi::CallbackInfo& info);

  Napi::Value Ref(const Napi::CallbackInfo& info);
  Napi::Value Allocate(const Napi::CallbackInfo& info);
  Napi::Value AllocateShared(const Napi::CallbackInfo& info);
  Napi::Value Fork(const Napi::CallbackInfo& info);
  void Truncate(const Napi::CallbackInfo& info);
  void Slide(const Napi::CallbackInfo& info);
  void Free(const Napi::CallbackInfo& info);
  void CreateSpans(const Napi::CallbackInfo& info);
  Napi::Value ReleaseSpan(const Napi::CallbackInfo& info);
  Napi::Value View(const Napi::CallbackInfo& info);
  void Slots(const Napi::CallbackInfo& info);
  Napi::Value BackedLength(const Napi::CallbackInfo& info);
  Napi::Value FirstKept(const Napi::CallbackInfo& info);
  void Check(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  // cache_streams.cc
  void Attach(const Napi::CallbackInfo& info);
  void Detach(const Napi::CallbackInfo& info);
  void WaitReady(const Napi::CallbackInfo& info);
  Napi::Value RecordFence(const Napi::CallbackInfo& info);

  // cache_memory.cc
  Napi::Value StepAsync(const Napi::CallbackInfo& info);
  void Stats(const Napi::CallbackInfo& info);
  void SetLimit(const Napi::CallbackInfo& info);
  Napi::Value Trim(const Napi::CallbackInfo& info);
  Napi::Value TrimAsync(const Napi::CallbackInfo& info);
  void PauseMapper(const Napi::CallbackInfo& info);
  void ResumeMapper(const Napi::CallbackInfo& info);
  void DrainMapper(const Napi::CallbackInfo& info);
  Napi::Value DrainMapperAsync(const Napi::CallbackInfo& info);
  Napi::Value Trace(const Napi::CallbackInfo& info);
  Napi::Value SetFaults(const Napi::CallbackInfo& info);
  Napi::Value Pending(const Napi::CallbackInfo& info);

  // A promise for `call`, which runs on the cache's thread, and then for what `result` makes of it.
  Napi::Promise Enqueue(Napi::Env env, std::function<vattn_status(vattn_error*)> call,
                        std::function<Napi::Value(Napi::Env)> result);
  // Tells V8 how much of the host's memory hangs on this object. A device's is not told: collecting
  // garbage gives none of it back, and V8 would do so within the step that maps a prompt.
  void ReportMemory(Napi::Env env);
  void ReportMemory(Napi::Env env, uint64_t total_bytes);
  // A sequence that a call has reserved, or 0 when no slot was left.
  Napi::Value Reserved(Napi::Env env, vattn_status status, vattn_sequence sequence,
                       const vattn_error& error);
  vattn_rows ResolveOne(Napi::Env env, vattn_sequence sequence, uint32_t* backed, uint32_t* first);

  vattn_cache_ref ref_{sizeof(vattn_cache_ref), nullptr, nullptr};
  int32_t trace_events_ = 0;
  Napi::Reference<Napi::Float64Array> results_;
  double* result_numbers_ = nullptr;  // of results_
  bool on_host_ = false;
  uint64_t reported_bytes_ = 0;  // to V8
  size_t pending_ = 0;           // promises
  std::shared_ptr<EventFeed> feed_;
  std::unique_ptr<JobThread> jobs_;
  std::map<uint64_t, Attached> attached_;  // by handle
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_CACHE_H_
