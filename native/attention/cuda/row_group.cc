#include "attention/cuda/row_group.h"

#include <algorithm>

namespace vattention::attention::cuda {

namespace {

void Join(const Pass& pass, int32_t index, RowGroup* group) {
  const PassSequence& sequence = pass.sequences[static_cast<size_t>(index)];
  if (group->members.empty()) {
    group->first_row = sequence.first_row;
  } else if (sequence.first_row != group->first_row + group->rows) {
    group->in_place = false;
  }
  group->members.push_back(index);
  group->rows += sequence.query;
  group->max_query = std::max(group->max_query, sequence.query);
  group->max_kv = std::max(group->max_kv, sequence.kv);
}

int32_t Count(const Pass& pass) { return static_cast<int32_t>(pass.sequences.size()); }

// With room for all sequences of a pass.
RowGroup GroupFor(const Pass& pass) {
  RowGroup group;
  group.members.reserve(pass.sequences.size());
  return group;
}

}  // namespace

RowGroup WholePass(const Pass& pass) {
  RowGroup group = GroupFor(pass);
  for (int32_t i = 0; i < Count(pass); ++i) Join(pass, i, &group);
  return group;
}

RowGroup DecodeRows(const Pass& pass) {
  RowGroup group = GroupFor(pass);
  for (int32_t i = 0; i < Count(pass); ++i) {
    if (pass.sequences[static_cast<size_t>(i)].query == 1) Join(pass, i, &group);
  }
  return group;
}

std::vector<RowGroup> PrefillRuns(const Pass& pass,
                                  const std::function<bool(const PassSequence&)>& apart) {
  std::vector<RowGroup> runs;
  bool open = false;
  for (int32_t i = 0; i < Count(pass); ++i) {
    const PassSequence& sequence = pass.sequences[static_cast<size_t>(i)];
    if (sequence.query == 0) continue;
    if (sequence.query == 1 || sequence.kv == 0) {
      open = false;
      continue;
    }
    const bool alone = apart(sequence);
    if (!open || alone) runs.emplace_back();
    open = !alone;
    Join(pass, i, &runs.back());
  }
  return runs;
}

}  // namespace vattention::attention::cuda
