// Running tasks: what a thread does between taking a task and the rows of output it leaves.
#ifndef VATTENTION_ATTENTION_CPU_UNIT_TASK_H_
#define VATTENTION_ATTENTION_CPU_UNIT_TASK_H_

#include <atomic>
#include <cstdint>

#include "attention/cpu/row_table.h"
#include "attention/cpu/schedule.h"
#include "attention/cpu/scratch.h"

namespace vattention::cpu {

// One layer of a prepared pass.
struct LayerRun {
  const Problem* problem;
  const Kernels* kernels;
  const Schedule* schedule;
  const int32_t* block_tables;  // all sequences'; paged
  RowTensor key;
  RowTensor value;
  const vattn_tensor* query;        // [tokens, query heads, head dim]
  const vattn_tensor* output;       // [tokens, query heads, value head dim]
  const vattn_tensor* lse;          // [tokens, query heads], or nullptr
  float* partials;                  // partial results of units that are cut
  std::atomic<int32_t>* remaining;  // [units] tasks that have not ended; restored by the last one
};

// Where a sequence lies.
inline SequenceRows RowsOf(const LayerRun& run, const ScheduledSequence& sequence) {
  const bool paged = run.problem->cache_kind == VATTN_PAGED;
  return {sequence.slot, paged ? run.block_tables + sequence.table : nullptr,
          run.problem->block_tokens};
}

void RunTask(const LayerRun& run, const Task& task, ThreadScratch& scratch);

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_UNIT_TASK_H_
