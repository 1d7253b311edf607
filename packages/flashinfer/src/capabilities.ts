import type { Capabilities } from '@vattention/interface'

import { defaultBuild, type BuiltKernels } from '../../../native/node/attention/built-kernels.ts'
import { cudaCapabilities } from '../../../native/node/attention/cuda-capabilities.ts'

/** Those that its merging of splits is written for. */
const headDims = [64, 128, 256]

/** What FlashInfer can do as built, by default as built when nothing else is asked for. */
export function flashInferCapabilities(built: BuiltKernels = defaultBuild): Capabilities {
  return {
    ...cudaCapabilities(built, built.archs, headDims, true),
    cacheKinds: ['contiguous', 'paged'],
    poolLayouts: ['nhd'],
    blockTokens: [1, 16, 32, 64, 128, 256],
    nonCausal: true,
    slidingWindow: true,
    softCap: built.softCap,
    alibi: true,
    lse: true,
    // By one split of the keys.
    batchInvariant: 'onRequest',
    // A window is read from its first row.
    leadRows: 0,
  }
}
