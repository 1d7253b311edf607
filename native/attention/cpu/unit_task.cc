#include "attention/cpu/unit_task.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vattention::cpu {

namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();

char* At(const vattn_tensor& tensor, int64_t token, int64_t head) {
  return static_cast<char*>(tensor.data) +
         (token * tensor.stride[0] + head * tensor.stride[1]) * ElementBytes(tensor.dtype);
}

// The query rows of a unit, packed into scratch, and what each token sees.
QueryRows PackRows(const LayerRun& run, const Unit& unit, ThreadScratch& scratch) {
  const Problem& problem = *run.problem;
  const ScheduledSequence& sequence = run.schedule->sequences()[unit.sequence];
  const int32_t position = sequence.kv_length - sequence.query_length + unit.token;
  QueryRows rows{unit.head, unit.heads,   unit.tokens,  problem.group,
                 position,  scratch.lo(), scratch.hi(), scratch.query()};
  for (int32_t t = 0; t < unit.tokens; ++t) {
    scratch.lo()[t] = FirstSeen(problem, position + t);
    scratch.hi()[t] = EndSeen(problem, position + t, sequence.kv_length);
  }
  float* packed = scratch.query();
  for (int32_t h = 0; h < unit.heads; ++h) {
    for (int32_t t = 0; t < unit.tokens; ++t) {
      for (int32_t g = 0; g < problem.group; ++g, packed += problem.key_pad) {
        const char* row =
            At(*run.query, sequence.row + unit.token + t, (unit.head + h) * problem.group + g);
        run.kernels->pack_query(row, problem.dtype, problem.shape.dtype, problem.shape.head_dim,
                                problem.key_pad, packed);
      }
    }
  }
  return rows;
}

State PartialState(const LayerRun& run, const Unit& unit, int32_t split) {
  const int64_t rows = UnitRows(*run.problem, unit);
  float* base =
      run.partials + unit.partial +
      (split - unit.split_begin) * PartialFloats(*run.problem, UnitRows(*run.problem, unit));
  // Maxima and sums after the values, so that values of 32 padded floats stay aligned among
  // themselves.
  const int64_t values = rows * run.problem->value_pad;
  return {base + values, base + values + rows, base};
}

void Clear(int32_t rows, const State& state) {
  std::fill_n(state.maximum, rows, kNone);
  std::fill_n(state.sum, rows, 0.0f);
}

// One row's state -> its output and LSE. A sink is a score without a value.
void FinishRow(const LayerRun& run, float maximum, float sum, const float* values, int64_t token,
               int32_t head) {
  const Problem& problem = *run.problem;
  const bool empty = maximum == kNone;
  double lse = empty ? static_cast<double>(kNone) : maximum + std::log(static_cast<double>(sum));
  if (empty) {
    sum = 0;
  } else if (!problem.sinks.empty()) {
    const double sink = problem.sinks[static_cast<size_t>(head)];
    sum = static_cast<float>(sum + std::exp(sink - maximum));
    const double top = std::max(lse, sink);
    lse = top + std::log(std::exp(lse - top) + std::exp(sink - top));
  }
  run.kernels->store_output(values, sum, problem.shape.dtype, problem.shape.value_head_dim,
                            problem.dtype, At(*run.output, token, head));
  if (run.lse != nullptr) {
    *reinterpret_cast<float*>(At(*run.lse, token, head)) = static_cast<float>(lse);
  }
}

void Finish(const LayerRun& run, const Unit& unit, const State& state) {
  const Problem& problem = *run.problem;
  const int64_t first = run.schedule->sequences()[unit.sequence].row + unit.token;
  int64_t row = 0;
  for (int32_t h = 0; h < unit.heads; ++h) {
    for (int32_t t = 0; t < unit.tokens; ++t) {
      for (int32_t g = 0; g < problem.group; ++g, ++row) {
        FinishRow(run, state.maximum[row], state.sum[row], state.values + row * problem.value_pad,
                  first + t, (unit.head + h) * problem.group + g);
      }
    }
  }
}

// The last task of a cut unit merges all splits in ascending order, as an uncut one does.
void MergePartials(const LayerRun& run, const Unit& unit, ThreadScratch& scratch) {
  const int32_t rows = UnitRows(*run.problem, unit);
  Clear(rows, scratch.running());
  for (int32_t split = unit.split_begin; split < unit.split_end; ++split) {
    run.kernels->merge(rows, run.problem->value_pad, PartialState(run, unit, split),
                       scratch.running());
  }
  Finish(run, unit, scratch.running());
}

}  // namespace

void RunTask(const LayerRun& run, const Task& task, ThreadScratch& scratch) {
  const Problem& problem = *run.problem;
  const Unit& unit = run.schedule->units()[task.unit];
  const ScheduledSequence& sequence = run.schedule->sequences()[unit.sequence];
  const SequenceRows place = RowsOf(run, sequence);
  const int32_t count = UnitRows(problem, unit);
  const bool cut = unit.tasks > 1;
  if (!cut) Clear(count, scratch.running());
  if (task.split_begin < task.split_end) {
    const QueryRows rows = PackRows(run, unit, scratch);
    const int32_t first = rows.lo[0];
    const int32_t last = rows.hi[unit.tokens - 1];
    FillSplitRows(run.key, run.value, place, task.split_begin, first, last,
                  scratch.rows(task.split_begin));
    for (int32_t split = task.split_begin; split < task.split_end; ++split) {
      const bool more = split + 1 < task.split_end;
      if (more) {
        FillSplitRows(run.key, run.value, place, split + 1, first, last, scratch.rows(split + 1));
      }
      const State state = cut ? PartialState(run, unit, split) : scratch.split();
      run.kernels->attend(problem, run.key.shape, run.value.shape, rows, *scratch.rows(split),
                          more ? scratch.rows(split + 1) : nullptr, scratch.kernel(), state);
      if (!cut) run.kernels->merge(count, problem.value_pad, state, scratch.running());
    }
  }
  if (!cut) return Finish(run, unit, scratch.running());
  std::atomic<int32_t>& remaining = run.remaining[task.unit];
  if (remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    MergePartials(run, unit, scratch);
    remaining.store(unit.tasks, std::memory_order_relaxed);
  }
}

}  // namespace vattention::cpu
