// A pass cut into work: sequences into units, units into tasks.
//
//   unit  some query tokens of one sequence with some KV heads. Few rows per KV head (decode): one
//         unit with all KV heads, since a token's heads are neighbours in memory. Many (prefill): a
//         unit per KV head and tile of tokens, which reuses each converted key and value.
//   task  what one thread does at a time: a unit, or some consecutive splits of a long one, whose
//         results the last task of the unit merges. How a unit is cut changes no bits.
#ifndef VATTENTION_ATTENTION_CPU_SCHEDULE_H_
#define VATTENTION_ATTENTION_CPU_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "attention/cpu/kernels.h"
#include "attention/cpu/problem.h"

namespace vattention::cpu {

// Rows of query per KV head in a unit of prefill: enough that converting and transposing a key
// costs a few percent, few enough that scores and values stay in the second-level cache.
inline constexpr int32_t kTileRows = 96;

struct ScheduledSequence {
  int32_t slot;
  int32_t query_length;
  int32_t kv_length;
  int32_t row;    // of its first token in the tensors
  int64_t table;  // index of its block table's first entry; paged
};

struct Unit {
  int32_t sequence;
  int32_t token;  // first token, of the sequence's query
  int32_t tokens;
  int32_t head;  // first KV head
  int32_t heads;
  int32_t split_begin;  // splits that any of its rows sees
  int32_t split_end;
  int32_t tasks;    // > 1: partial results are merged by the last task
  int64_t partial;  // > 1 task: first float in the plan's partial results
};

struct Task {
  int32_t unit;
  int32_t split_begin;
  int32_t split_end;
  double cost;  // in nanoseconds, roughly; for balance only
};

// Keys that the token at `position` (absolute) sees: [lo, hi).
inline int32_t FirstSeen(const Problem& problem, int32_t position) {
  return static_cast<int32_t>(attention::FirstSeen(problem, position));
}
inline int32_t EndSeen(const Problem& problem, int32_t position, int32_t kv_length) {
  return problem.causal ? position + 1 : kv_length;
}

// Rows of a unit, and floats of one of its partial results: maximum and sum of each row, values.
inline int32_t UnitRows(const Problem& problem, const Unit& unit) {
  return unit.heads * unit.tokens * problem.group;
}
inline int64_t PartialFloats(const Problem& problem, int32_t rows) {
  return static_cast<int64_t>(rows) * (problem.value_pad + 2);
}

// The most rows that a unit can have, over all its heads and per head; and its most tokens.
int32_t MaxUnitRows(const Problem& problem);
int32_t MaxUnitTokens(const Problem& problem);

class Schedule {
 public:
  // `partial_floats`: room for partial results. Units are cut only as far as it reaches.
  Schedule(int32_t threads, int64_t partial_floats)
      : threads_(threads), partial_floats_(partial_floats) {}

  // Lays out the work for sequences() (filled by the caller).
  void Build(const Problem& problem);

  std::vector<ScheduledSequence>& sequences() { return sequences_; }
  const std::vector<ScheduledSequence>& sequences() const { return sequences_; }
  const std::vector<Unit>& units() const { return units_; }
  const std::vector<Task>& tasks() const { return tasks_; }

 private:
  void AddUnits(const Problem& problem, int32_t sequence);
  void AddUnit(const Problem& problem, int32_t sequence, int32_t token, int32_t tokens,
               int32_t head, int32_t heads);
  void AddTasks(const Problem& problem, int32_t unit, double cost, double share);

  int32_t threads_;
  int64_t partial_floats_;
  int64_t partial_used_ = 0;
  std::vector<ScheduledSequence> sequences_;
  std::vector<Unit> units_;
  std::vector<double> costs_;  // of units_
  std::vector<Task> tasks_;    // long ones first
};

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_SCHEDULE_H_
