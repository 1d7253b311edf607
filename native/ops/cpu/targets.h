// The instruction sets that kernels are compiled for; included before Highway. AVX2 and AVX-512 are
// what they tell apart: the finer x86 levels bring them nothing, and vectors of unknown length
// (SVE) cannot be kept in arrays. SSE2 is the baseline of x86-64 and cannot be left out.
#ifndef VATTENTION_OPS_CPU_TARGETS_H_
#define VATTENTION_OPS_CPU_TARGETS_H_

#define HWY_DISABLED_TARGETS                                                                     \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_NEON_BF16 | HWY_SVE | \
   HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)

#endif  // VATTENTION_OPS_CPU_TARGETS_H_
