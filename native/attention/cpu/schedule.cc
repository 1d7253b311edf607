#include "attention/cpu/schedule.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vattention::cpu {

namespace {

int32_t SplitsEnd(int32_t tokens) { return (tokens + kSplitTokens - 1) / kSplitTokens; }

// Rough nanoseconds of a unit: reading its keys and values at 10 GB/s a core, 30 multiply-adds a
// nanosecond, and what a score costs besides.
double UnitCost(const Problem& problem, int32_t heads, int32_t rows, int32_t seen) {
  const double elements = problem.shape.head_dim + problem.shape.value_head_dim;
  const double per_token =
      elements * ElementBytes(problem.shape.dtype) * 0.1 + rows * (elements / 30 + 0.5);
  return 1000 + per_token * heads * seen;
}

}  // namespace

int32_t MaxUnitTokens(const Problem& problem) {
  return std::max({1, kSharedRows / problem.group, kTileRows / problem.group});
}

int32_t MaxUnitRows(const Problem& problem) {
  const int32_t tile = std::max(1, kTileRows / problem.group) * problem.group;
  const int32_t shared = kSharedRows / problem.group * problem.group * problem.shape.kv_heads;
  return std::max(tile, shared);
}

void Schedule::Build(const Problem& problem) {
  units_.clear();
  costs_.clear();
  tasks_.clear();
  partial_used_ = 0;
  for (size_t i = 0; i < sequences_.size(); ++i) AddUnits(problem, static_cast<int32_t>(i));
  const double total = std::accumulate(costs_.begin(), costs_.end(), 0.0);
  const double share = total / (threads_ * 4);
  for (size_t i = 0; i < units_.size(); ++i) {
    AddTasks(problem, static_cast<int32_t>(i), costs_[i], share);
  }
  // Long tasks first, so that the last ones are short; equals keep their order, which keeps the
  // heads and tiles of a sequence together.
  std::stable_sort(tasks_.begin(), tasks_.end(), [](const Task& a, const Task& b) {
    return std::ilogb(a.cost) > std::ilogb(b.cost);
  });
}

void Schedule::AddUnits(const Problem& problem, int32_t sequence) {
  const int32_t query_length = sequences_[sequence].query_length;
  if (query_length == 0) return;
  const int32_t heads = problem.shape.kv_heads;
  if (query_length * static_cast<int64_t>(problem.group) <= kSharedRows) {
    AddUnit(problem, sequence, 0, query_length, 0, heads);
    return;
  }
  const int32_t tile = std::max(1, kTileRows / problem.group);
  const int32_t tiles = (query_length + tile - 1) / tile;
  for (int32_t i = tiles - 1; i >= 0; --i) {  // the last tiles see most
    for (int32_t head = 0; head < heads; ++head) {
      AddUnit(problem, sequence, i * tile, std::min(tile, query_length - i * tile), head, 1);
    }
  }
}

void Schedule::AddUnit(const Problem& problem, int32_t sequence, int32_t token, int32_t tokens,
                       int32_t head, int32_t heads) {
  const ScheduledSequence& of = sequences_[sequence];
  Unit unit{sequence, token, tokens, head, heads, 0, 0, 1, 0};
  int32_t seen = 0;
  if (of.kv_length > 0) {
    const int32_t position = of.kv_length - of.query_length + token;
    const int32_t first = FirstSeen(problem, position);
    const int32_t end = EndSeen(problem, position + tokens - 1, of.kv_length);
    seen = end - first;
    unit.split_begin = first / kSplitTokens;
    unit.split_end = SplitsEnd(end);
  }
  units_.push_back(unit);
  costs_.push_back(UnitCost(problem, heads, tokens * problem.group, seen));
}

void Schedule::AddTasks(const Problem& problem, int32_t index, double cost, double share) {
  Unit& unit = units_[index];
  const int32_t splits = unit.split_end - unit.split_begin;
  int32_t pieces = 1;
  if (threads_ > 1 && splits > 1 && cost > share) {
    pieces = std::min(splits, static_cast<int32_t>(std::ceil(cost / share)));
    const int64_t floats = PartialFloats(problem, UnitRows(problem, unit)) * splits;
    if (pieces > 1 && floats <= partial_floats_ - partial_used_) {
      unit.partial = partial_used_;
      partial_used_ += floats;
    } else {
      pieces = 1;
    }
  }
  unit.tasks = pieces;
  for (int32_t i = 0; i < pieces; ++i) {
    const auto cut = [&](int32_t at) {
      return unit.split_begin + static_cast<int32_t>(static_cast<int64_t>(splits) * at / pieces);
    };
    tasks_.push_back({index, cut(i), cut(i + 1), cost / pieces});
  }
}

}  // namespace vattention::cpu
