/** What of this package needs a GPU: see scripts/gpu/README.md. */
import { backendGrid, suitesOrReason, type Suite } from '@vattention/conformance'
import { ContiguousKvCache } from '@vattention/core'
import { PagedKvCache } from '@vattention/paged-attention'

import { createBackend } from '../../src/index.ts'

/** A causal tile of keys: with so many rows behind each sequence prompts share a launch by TMA. */
const tailRows = 128

export function gpuSuites(): readonly Suite[] {
  return suitesOrReason('flash-attention-3', () => {
    const backend = createBackend()
    const subject = { backend, create: () => createBackend(), multipliesInFloat8: true }
    return [
      ...backendGrid('flash-attention-3', {
        ...subject,
        caches: {
          contiguous: (options) => new ContiguousKvCache(options),
          paged: (options) => new PagedKvCache(options),
        },
      }),
      ...backendGrid('flash-attention-3 with tail rows', {
        ...subject,
        caches: { contiguous: (options) => new ContiguousKvCache({ ...options, tailRows }) },
      }),
    ]
  })
}
