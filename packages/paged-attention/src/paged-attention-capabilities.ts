import type { Capabilities } from '@vattention/interface'

import { defaultBuild, type BuiltKernels } from '../../../native/node/attention/built-kernels.ts'
import { cudaCapabilities } from '../../../native/node/attention/cuda-capabilities.ts'

/** Upstream has kernels for more; these are what `build:cuda` offers. */
const headDims = [64, 96, 128, 192, 256]

/**
 * What vLLM's PagedAttention can do as built, by default as built when nothing else is asked for. Its
 * kernels decode; prompts go through FlashAttention-2, over their fresh K and V or gathered from the
 * blocks.
 */
export function pagedAttentionCapabilities(built: BuiltKernels = defaultBuild): Capabilities {
  return {
    ...cudaCapabilities(built, built.archs, headDims, built.dtypes),
    cacheKinds: ['paged'],
    poolLayouts: ['paged-attention'],
    blockTokens: [8, 16, 32],
    nonCausal: true,
    slidingWindow: false,
    softCap: false,
    alibi: true,
    // From the partial results of its second version.
    lse: true,
    // By the second version always.
    batchInvariant: 'onRequest',
    leadRows: 0,
    // What the combining kernel has shared memory for: 48 KiB, 8 bytes for every 512 tokens.
    maxLength: ((48 * 1024) / 8) * 512,
  }
}
