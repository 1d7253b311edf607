// The instruction sets that the kernels are compiled for. Include before any header of Highway.
//
// AVX2 and AVX-512F are what the kernels tell apart; the finer x86 levels bring them nothing
// (bfloat16 dot products were measured: no faster than widening and FMA, see the README of
// packages/cpu). SSE2 is the baseline of x86-64 and cannot be left out.
#ifndef VATTENTION_ATTENTION_CPU_TARGETS_H_
#define VATTENTION_ATTENTION_CPU_TARGETS_H_

#define HWY_DISABLED_TARGETS                                                         \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_AVX10_2 | \
   HWY_NEON_BF16 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)

#endif  // VATTENTION_ATTENTION_CPU_TARGETS_H_
