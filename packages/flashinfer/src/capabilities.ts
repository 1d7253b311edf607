import type { Capabilities } from '@vattention/interface'

import { defaultBuild, type BuiltKernels } from '../../../native/node/attention/built-kernels.ts'
import { cudaCapabilities } from '../../../native/node/attention/cuda-capabilities.ts'

/** Those that its merging of splits is written for. */
const headDims = [64, 128, 256]

/** What FlashInfer can do as built, by default as built when nothing else is asked for. */
export function flashInferCapabilities(built: BuiltKernels = defaultBuild): Capabilities {
  return {
    ...cudaCapabilities(built, built.archs, headDims, built.dtypes),
    cacheKinds: ['contiguous', 'paged'],
    poolLayouts: ['nhd'],
    blockTokens: 'any',
    nonCausal: true,
    slidingWindow: true,
    // Its kernels are made for this build: a cap is no other set of them.
    softCap: true,
    alibi: true,
    lse: true,
    // By splits of one size.
    batchInvariant: 'onRequest',
    // A window is read from its first row.
    leadRows: 0,
  }
}

/** Its kernels for Hopper are for nothing else. */
export const hopper = ({ archs }: BuiltKernels) => archs.filter((arch) => arch === '90a')

/** What FlashInfer can do with its kernels for Hopper. */
export function flashInferHopperCapabilities(built: BuiltKernels = defaultBuild): Capabilities {
  return {
    ...flashInferCapabilities(built),
    ...cudaCapabilities(built, hopper(built), headDims, []),
    slidingWindow: false,
    softCap: false,
    alibi: false,
  }
}
