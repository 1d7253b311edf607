/**
 * How far a result may be from the float64 reference. For float32 the bound is fixed; for narrower
 * types it is a multiple of `pt`, the error that the same mathematics makes when everything a kernel
 * keeps is rounded to the type: what FlashAttention's own tests use.
 */
import type { DType } from '@vattention/interface'

/** What loosens a bound. */
export interface Circumstances {
  /** Of query and output. */
  readonly dtype: DType
  readonly kvDtype: DType
  readonly alibi?: boolean | undefined
  /** The pass appended K and V itself. */
  readonly appended?: boolean | undefined
  /** The result was merged from partial ones. */
  readonly merged?: boolean | undefined
}

/** Absolute error allowed for an output, given the largest error of the rounded reference. */
export function outputBound(circumstances: Circumstances, pt: number): number {
  if (circumstances.dtype === 'float32') return 1e-4
  let factor = 2
  if (circumstances.appended || circumstances.merged) factor = 3
  if (circumstances.kvDtype === 'float8_e4m3') factor = 4
  if (circumstances.alibi) factor = 5
  return factor * pt + 1e-5
}

/** Half the distance between 1 and the next number: the most that rounding changes, relatively. */
const unitRoundoff: Partial<Record<DType, number>> = { bfloat16: 2 ** -9, float16: 2 ** -12 }

/**
 * Error allowed for a log-sum-exp: absolute below 1, relative above.
 *
 * @param sumsRounded As in `BackendSubject`. Defaults to `false`.
 */
export function lseBound(dtype: DType, lse: number, sumsRounded = false): number {
  const rounding = sumsRounded ? (unitRoundoff[dtype] ?? 0) : 0
  return (dtype === 'float32' ? 1e-5 : 1e-3) * Math.max(1, Math.abs(lse)) + rounding
}
