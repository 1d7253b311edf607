// A plan: configuration, threads, scratch, and the pass that was prepared last.
#ifndef VATTENTION_ATTENTION_CPU_PLAN_H_
#define VATTENTION_ATTENTION_CPU_PLAN_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "attention/cpu/append.h"
#include "attention/cpu/problem.h"
#include "attention/cpu/schedule.h"
#include "attention/cpu/scratch.h"
#include "attention/cpu/thread_pool.h"
#include "attention/cpu/unit_task.h"
#include "vattention/attention.h"

namespace vattention::cpu {

// Not thread safe: one call at a time.
class Plan {
 public:
  // `problem` has been checked. Throws std::bad_alloc or std::system_error.
  Plan(Problem problem, const vattn_limits& limits);

  vattn_status Prepare(const vattn_cache_view* view, const vattn_batch* batch, vattn_stream stream,
                       vattn_error* error);
  vattn_status Run(int32_t layer, const vattn_tensor* query, const vattn_tensor* key,
                   const vattn_tensor* value, const vattn_tensor* output, const vattn_tensor* lse,
                   vattn_error* error);
  vattn_status Append(int32_t layer, const vattn_tensor* key, const vattn_tensor* value,
                      vattn_error* error);
  uint64_t WorkspaceBytes() const;

 private:
  vattn_status CheckLayer(int32_t layer, vattn_error* error) const;
  vattn_status CheckNewRows(const vattn_tensor* key, const vattn_tensor* value,
                            vattn_error* error) const;
  void CopyTables(const vattn_batch& batch);
  LayerRun MakeRun(int32_t layer);
  void WriteRows(LayerRun& run, const NewRows& rows);

  // A run's tasks, which its threads claim one after the other.
  struct Claims;

  Problem problem_;
  const Kernels& kernels_;
  ThreadPool pool_;
  FloatBuffer partials_;
  Schedule schedule_;
  std::vector<std::unique_ptr<ThreadScratch>> scratch_;  // [threads]

  // The prepared pass.
  bool prepared_ = false;
  int64_t tokens_ = 0;
  const vattn_tensor* key_layers_ = nullptr;    // [layers], the cache's
  const vattn_tensor* value_layers_ = nullptr;  // [layers]
  std::vector<int32_t> block_tables_;
  std::unique_ptr<std::atomic<int32_t>[]> remaining_;  // [units]
  size_t remaining_capacity_ = 0;
};

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_PLAN_H_
