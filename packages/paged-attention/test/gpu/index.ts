/** What of this package needs a GPU: see scripts/gpu/README.md. */
import { backendGrid, cacheSuite, suitesOrReason, type Suite } from '@vattention/conformance'
import { HostTimeline, hostTensor, read, write } from '@vattention/core'
import type { Device, PoolLayout } from '@vattention/interface'
import { createBackend, PagedKvCache } from '@vattention/paged-attention'

const device: Device = { type: 'cuda', index: 0 }

const variants: readonly (readonly [blockTokens: number, poolLayout: PoolLayout])[] = [
  [1, 'nhd'],
  [16, 'nhd'],
  [256, 'nhd'],
  [16, 'paged-attention'],
]

export function gpuSuites(): readonly Suite[] {
  return [...cacheSuites(), ...backendSuites()]
}

function backendSuites(): readonly Suite[] {
  return suitesOrReason('paged-attention', () =>
    backendGrid('paged-attention', {
      backend: createBackend(),
      create: () => createBackend(),
      caches: { paged: (options) => new PagedKvCache(options) },
    }),
  )
}

function cacheSuites(): readonly Suite[] {
  return variants.map(([blockTokens, poolLayout]) =>
    cacheSuite(`PagedKvCache with ${poolLayout} blocks of ${blockTokens}`, {
      kind: 'paged',
      create: (options) => new PagedKvCache({ ...options, blockTokens, poolLayout }),
      stream: () => new HostTimeline(),
      memory: { device, tensor: hostTensor, read, write },
    }),
  )
}
