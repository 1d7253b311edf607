import type { Capabilities } from '@vattention/interface'

import { defaultBuild, type BuiltKernels } from '../../../native/node/attention/built-kernels.ts'
import { cudaCapabilities } from '../../../native/node/attention/cuda-capabilities.ts'

/** Upstream has kernels for more; these are what `build:cuda` offers. */
const headDims = [64, 96, 128, 192, 256]

/** What FlashAttention-2 can do as built, by default as built when nothing else is asked for. */
export function flashAttention2Capabilities(built: BuiltKernels = defaultBuild): Capabilities {
  return {
    ...cudaCapabilities(built, built.archs, headDims, []),
    cacheKinds: ['contiguous', 'paged'],
    poolLayouts: ['nhd'],
    // A tile of keys must not straddle a block, and tiles shrink as heads grow.
    blockTokens: [
      { headDimAtMost: 64, sizes: { multipleOf: 256 } },
      { headDimAtMost: 128, sizes: { multipleOf: 128 } },
      { headDimAtMost: 256, sizes: { multipleOf: 64 } },
    ],
    nonCausal: true,
    slidingWindow: true,
    softCap: built.softCap,
    alibi: true,
    lse: true,
    // By one split of the keys.
    batchInvariant: 'onRequest',
    // The tile in which the first visible row lies is read from its beginning.
    leadRows: 256,
  }
}
