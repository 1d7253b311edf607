import type { Capabilities, DType } from '@vattention/interface'

import { computeCapabilities, type BuiltKernels } from './built-kernels.ts'

/** What the backends on CUDA have in common, in the terms of their capability data. */
export type CudaCapabilities = Pick<
  Capabilities,
  | 'deviceType'
  | 'computeCapabilities'
  | 'dtypes'
  | 'kvDtypes'
  | 'headDims'
  | 'groupSizes'
  | 'layouts'
  | 'causal'
  | 'sinks'
  | 'prefill'
  | 'decode'
  | 'mixedBatches'
  | 'append'
  | 'graphLevel'
  | 'tailRows'
  | 'maxLength'
>

/**
 * What follows from a build, and what holds for all of them.
 *
 * @param archs Those of the build that the backend has kernels for.
 * @param headDims Those that the backend has kernels for, if built.
 * @param float8Queries Dtypes of queries for which it reads e4m3 caches, if built.
 */
export function cudaCapabilities(
  built: BuiltKernels,
  archs: readonly string[],
  headDims: readonly number[],
  float8Queries: readonly DType[],
): CudaCapabilities {
  return {
    deviceType: 'cuda',
    computeCapabilities: computeCapabilities(archs),
    dtypes: built.dtypes,
    kvDtypes: built.dtypes.flatMap((dtype): (readonly [DType, DType])[] => [
      [dtype, dtype],
      ...(built.fp8 && float8Queries.includes(dtype) ? [[dtype, 'float8_e4m3'] as const] : []),
    ]),
    headDims: headDims.filter((dim) => built.headDims.includes(dim)),
    groupSizes: 'any',
    // Strides are passed through.
    layouts: 'any',
    causal: true,
    sinks: false,
    prefill: true,
    decode: true,
    mixedBatches: true,
    append: true,
    // Plans whose rows all decode.
    graphLevel: 'uniformBatch',
    tailRows: 0,
    // Positions are 32-bit integers with room for differences.
    maxLength: 2 ** 30,
  }
}
