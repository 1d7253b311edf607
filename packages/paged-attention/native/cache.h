// `Cache` in JavaScript: a vattn_cache made by vattn_paged_create. src/addon.ts describes it.
#ifndef VATTENTION_PAGED_ATTENTION_CACHE_H_
#define VATTENTION_PAGED_ATTENTION_CACHE_H_

#include <napi.h>

#include <cstdint>
#include <memory>

#include "event_queue.h"
#include "vattention/paged_cache.h"

namespace vattention::paged_attention {

class Cache : public Napi::ObjectWrap<Cache> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (options, results): `step` and `allocatePrefix` write their numbers into `results`.
  explicit Cache(const Napi::CallbackInfo& info);
  ~Cache() override;

 private:
  Napi::Value Ref(const Napi::CallbackInfo& info);
  Napi::Value Allocate(const Napi::CallbackInfo& info);
  Napi::Value AllocatePrefix(const Napi::CallbackInfo& info);
  Napi::Value Fork(const Napi::CallbackInfo& info);
  Napi::Value Step(const Napi::CallbackInfo& info);
  Napi::Value StepAsync(const Napi::CallbackInfo& info);
  void Publish(const Napi::CallbackInfo& info);
  void Truncate(const Napi::CallbackInfo& info);
  void Slide(const Napi::CallbackInfo& info);
  void Free(const Napi::CallbackInfo& info);
  void Attach(const Napi::CallbackInfo& info);
  void Detach(const Napi::CallbackInfo& info);
  void WaitReady(const Napi::CallbackInfo& info);
  Napi::Value RecordFence(const Napi::CallbackInfo& info);
  Napi::Value View(const Napi::CallbackInfo& info);
  Napi::Value BlockTables(const Napi::CallbackInfo& info);
  Napi::Value BackedLength(const Napi::CallbackInfo& info);
  Napi::Value FirstKept(const Napi::CallbackInfo& info);
  void Stats(const Napi::CallbackInfo& info);
  void SetLimit(const Napi::CallbackInfo& info);
  void DropCached(const Napi::CallbackInfo& info);
  Napi::Value Trace(const Napi::CallbackInfo& info);
  Napi::Value TakeEvents(const Napi::CallbackInfo& info);
  Napi::Value SetFaults(const Napi::CallbackInfo& info);
  void Check(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  // backed length and first kept token of one sequence
  vattn_rows ResolveOne(const Napi::CallbackInfo& info, uint32_t* backed, uint32_t* first_kept);
  void ReportMemory(Napi::Env env, int64_t bytes);

  vattn_cache_ref ref_ = {};
  int64_t reported_bytes_ = 0;  // told to V8
  int32_t trace_events_ = 0;
  std::unique_ptr<EventQueue> events_;  // when JavaScript listens
  Napi::Reference<Napi::Float64Array> results_;
  double* numbers_ = nullptr;  // of results_
};

}  // namespace vattention::paged_attention

#endif  // VATTENTION_PAGED_ATTENTION_CACHE_H_
