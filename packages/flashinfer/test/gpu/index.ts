/** What of this package needs a GPU: see scripts/gpu/README.md. */
import { backendGrid, suitesOrReason, type Suite } from '@vattention/conformance'
import { ContiguousKvCache } from '@vattention/core'
import type { AttentionBackend } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

import { createFlashInferBackend, createFlashInferHopperBackend } from '../../src/index.ts'

function grid(name: string, create: () => AttentionBackend): readonly Suite[] {
  return suitesOrReason(name, () =>
    backendGrid(name, {
      backend: create(),
      create,
      sumsRounded: true,
      caches: {
        contiguous: (options) => new ContiguousKvCache(options),
        paged: (options) => new PagedKvCache(options),
      },
    }),
  )
}

export function gpuSuites(): readonly Suite[] {
  return [
    ...grid('flashinfer', createFlashInferBackend),
    ...grid('flashinfer-hopper', createFlashInferHopperBackend),
  ]
}
