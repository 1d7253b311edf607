#include "ops/cpu/team.h"

#include <omp.h>

#include "ops/cpu/status.h"

namespace vattention::ops {

Team::Team(int threads) : threads_(threads) {
  VATTN_CHECK(threads >= 1);
  executor_ = {};
  executor_.size = sizeof(executor_);
  executor_.threads = threads;
  executor_.context = this;
  executor_.parallel_for = [](void* context, int32_t count, void (*task)(void*, int32_t),
                              void* argument) {
    static_cast<const Team*>(context)->ForEachErased(count, task, argument);
  };
}

void Team::Bind() const { omp_set_num_threads(threads_); }

void Team::RunErased(void (*call)(const void*, int), const void* body) const {
  if (threads_ == 1) {
    call(body, 0);
    return;
  }
#pragma omp parallel num_threads(threads_)
  {
    // OpenMP may grant fewer threads than asked for: each then does the work of several.
    for (int i = omp_get_thread_num(); i < threads_; i += omp_get_num_threads()) call(body, i);
  }
}

void Team::ForEachErased(int32_t count, void (*task)(void*, int32_t), void* argument) const {
  if (threads_ == 1 || count <= 1) {
    for (int32_t i = 0; i < count; ++i) task(argument, i);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads_)
  for (int32_t i = 0; i < count; ++i) task(argument, i);
}

}  // namespace vattention::ops
