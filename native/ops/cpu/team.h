// The threads that compute: one OpenMP team, which oneDNN, our own loops and the attention backend
// share, so that a pass never has more busy threads than it was given.
//
// OpenMP keeps a team per calling thread. Everything of a runner therefore happens on one thread of
// ours: the one that called Bind.
#ifndef VATTENTION_OPS_CPU_TEAM_H_
#define VATTENTION_OPS_CPU_TEAM_H_

#include <cstdint>

#include "vattention/attention.h"

namespace vattention::ops {

class Team {
 public:
  // `threads` must be at least 1; the calling thread is one of them.
  explicit Team(int threads);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return threads_; }

  // Makes OpenMP (and with it oneDNN) use this many threads for work begun on the calling thread.
  void Bind() const;

  // Calls body(thread) once on each of `threads()` threads; thread is 0..threads() - 1.
  template <typename Body>
  void Run(const Body& body) const {
    RunErased(&Call<Body>, &body);
  }

  // Calls body(first, last) for disjoint ranges that cover 0..count, one for each thread and of at
  // least `grain`; on the calling thread alone when there is no more work than that.
  template <typename Body>
  void Split(int64_t count, int64_t grain, const Body& body) const {
    const int64_t parts = count / grain < threads_ ? count / grain : threads_;
    if (parts <= 1) {
      if (count > 0) body(int64_t{0}, count);
      return;
    }
    Run([&](int thread) {
      if (thread < parts) body(count * thread / parts, count * (thread + 1) / parts);
    });
  }

  // Calls body(i) for every i < count, each index taken by the next thread that is free.
  template <typename Body>
  void ForEach(int32_t count, const Body& body) const {
    ForEachErased(
        count, [](void* argument, int32_t i) { (*static_cast<const Body*>(argument))(i); },
        const_cast<Body*>(&body));
  }

  // The same team, for an attention backend. Valid as long as this object.
  const vattn_executor& executor() const { return executor_; }

 private:
  template <typename Body>
  static void Call(const void* body, int thread) {
    (*static_cast<const Body*>(body))(thread);
  }
  void RunErased(void (*call)(const void*, int), const void* body) const;
  void ForEachErased(int32_t count, void (*task)(void*, int32_t), void* argument) const;

  int threads_;
  vattn_executor executor_;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_TEAM_H_
