#include "attention/cpu/kernels.h"

#include <cstring>

#include "attention/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/cpu/kernels.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "attention/cpu/rows-inl.h"
#include "attention/cpu/softmax-inl.h"
#include "attention/cpu/values-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace vattention::cpu {
namespace HWY_NAMESPACE {

template <class Loader>
void AttendAs(const Problem& problem, const RowShape& key, const RowShape& value,
              const QueryRows& rows, const SplitRows& split, const SplitRows* next,
              const Scratch& scratch, const State& state) {
  Scores<Loader>(problem, key, value, rows, split, scratch);
  Softmax(problem, rows, split, scratch.scores, state);
  Values<Loader>(problem, value, key, rows, split, next, scratch, state);
}

void Attend(const Problem& problem, const RowShape& key, const RowShape& value,
            const QueryRows& rows, const SplitRows& split, const SplitRows* next,
            const Scratch& scratch, const State& state) {
  switch (problem.shape.dtype) {
    case VATTN_FLOAT16:
      return AttendAs<LoadFloat16>(problem, key, value, rows, split, next, scratch, state);
    case VATTN_BFLOAT16:
      return AttendAs<LoadBfloat16>(problem, key, value, rows, split, next, scratch, state);
    default:
      return AttendAs<LoadFloat32>(problem, key, value, rows, split, next, scratch, state);
  }
}

float ExpDifference(float a, float b) { return ExpNonPositive1(a - b); }

const Kernels* Table() {
  static const Kernels kTable = {hwy::TargetName(HWY_TARGET),
                                 &PackQuery,
                                 &Attend,
                                 &MergeStates,
                                 &StoreOutput,
                                 &ExpDifference,
                                 &Convert,
                                 &Weigh};
  return &kTable;
}

}  // namespace HWY_NAMESPACE
}  // namespace vattention::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vattention::cpu {

HWY_EXPORT(Table);

const Kernels& GetKernels() { return *HWY_DYNAMIC_DISPATCH(Table)(); }

}  // namespace vattention::cpu
#endif
