/** What of this package needs a GPU: see scripts/gpu/README.md. */
import { backendGrid, suitesOrReason, type Suite } from '@vattention/conformance'
import { ContiguousKvCache } from '@vattention/core'
import { PagedKvCache } from '@vattention/paged-attention'

import { createBackend } from '../../src/index.ts'

export function gpuSuites(): readonly Suite[] {
  return suitesOrReason('flash-attention-2', () =>
    backendGrid('flash-attention-2', {
      backend: createBackend(),
      create: () => createBackend(),
      caches: {
        contiguous: (options) => new ContiguousKvCache(options),
        paged: (options) => new PagedKvCache(options),
      },
    }),
  )
}
