// Memory that one thread works in, made with the plan.
#ifndef VATTENTION_ATTENTION_CPU_SCRATCH_H_
#define VATTENTION_ATTENTION_CPU_SCRATCH_H_

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "attention/cpu/kernels.h"
#include "attention/cpu/schedule.h"

namespace vattention::cpu {

// Floats at the start of a cache line.
class FloatBuffer {
 public:
  explicit FloatBuffer(int64_t count) : bytes_(static_cast<uint64_t>(count) * sizeof(float)) {
    const size_t rounded = (bytes_ / kLine + 1) * kLine;
    data_.reset(static_cast<float*>(std::aligned_alloc(kLine, rounded)));
    if (data_ == nullptr) throw std::bad_alloc();
  }
  float* get() const { return data_.get(); }
  uint64_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kLine = 64;
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  uint64_t bytes_;
  std::unique_ptr<float[], Free> data_;
};

class ThreadScratch {
 public:
  explicit ThreadScratch(const Problem& problem)
      : rows_(MaxUnitRows(problem)),
        floats_(Layout(problem, nullptr)),
        seen_(2 * static_cast<size_t>(MaxUnitTokens(problem))) {
    Layout(problem, floats_.get());
  }

  uint64_t bytes() const { return floats_.bytes() + sizeof(*this) + seen_.size() * 4; }

  float* query() { return query_; }
  const Scratch& kernel() const { return kernel_; }
  const State& split() const { return split_; }      // one split's result
  const State& running() const { return running_; }  // all splits so far
  int32_t* lo() { return seen_.data(); }
  int32_t* hi() { return seen_.data() + seen_.size() / 2; }
  SplitRows* rows(int32_t i) { return &tables_[i & 1]; }  // this split's and the next one's

 private:
  // Cuts `base` into the buffers, each at a cache line; returns the floats needed.
  int64_t Layout(const Problem& problem, float* base) {
    int64_t used = 0;
    const auto take = [&](int64_t count) {
      float* at = base == nullptr ? nullptr : base + used;
      used += (count + 15) / 16 * 16;
      return at;
    };
    const int64_t rows = rows_;
    const int64_t group_tokens = 2 * kMaxLanes;
    query_ = take(rows * problem.key_pad);
    kernel_.scores = take(rows * kSplitTokens);
    kernel_.keys = take(group_tokens * problem.key_pad);
    kernel_.panel = take(group_tokens * problem.key_pad);
    kernel_.values = take(kValueTokens * static_cast<int64_t>(problem.value_pad));
    kernel_.collected =
        take(kValueTokens * static_cast<int64_t>(std::max(problem.key_pad, problem.value_pad)));
    for (State* state : {&split_, &running_}) {
      state->maximum = take(rows);
      state->sum = take(rows);
      state->values = take(rows * problem.value_pad);
    }
    return used;
  }

  int32_t rows_;
  float* query_ = nullptr;
  Scratch kernel_{};
  State split_{};
  State running_{};
  FloatBuffer floats_;
  std::vector<int32_t> seen_;
  SplitRows tables_[2];
};

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_SCRATCH_H_
