import type { Capabilities } from '@vattention/interface'

import { defaultBuild, type BuiltKernels } from '../../../native/node/attention/built-kernels.ts'
import { cudaCapabilities } from '../../../native/node/attention/cuda-capabilities.ts'

const headDims = [64, 96, 128, 192, 256]

/** Its kernels are for Hopper alone. */
export const hopper = ({ archs }: BuiltKernels) => archs.filter((arch) => arch === '90a')

/** What FlashAttention-3 can do as built, by default as built when nothing else is asked for. */
export function flashAttention3Capabilities(built: BuiltKernels = defaultBuild): Capabilities {
  return {
    // Its e4m3 kernels write bfloat16.
    ...cudaCapabilities(built, hopper(built), headDims, ['bfloat16']),
    cacheKinds: ['contiguous', 'paged'],
    poolLayouts: ['nhd'],
    blockTokens: 'any',
    nonCausal: true,
    slidingWindow: true,
    softCap: built.softCap,
    alibi: false,
    lse: true,
    // By one split of the keys.
    batchInvariant: 'onRequest',
    // The tile in which the first visible row lies is read from its beginning.
    leadRows: 128,
  }
}
