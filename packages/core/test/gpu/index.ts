/** What of this package needs a GPU: see scripts/gpu/README.md. */
import { cacheSuite, fuzzCache, type Suite } from '@vattention/conformance'
import { ContiguousKvCache, CudaTestStream } from '@vattention/core'
import type { Layout } from '@vattention/interface'

import { cacheCases } from './cache-cases.ts'
import { exportCases } from './export-cases.ts'
import { graphCases } from './graph-cases.ts'
import { OrderedMemory } from './ordered-memory.ts'
import { streamCases } from './stream-cases.ts'
import { gpu } from './support.ts'
import { tensorCases } from './tensor-cases.ts'

const layouts: readonly (readonly [string, Layout])[] = [
  ['interleaved', 'interleaved'],
  ['split', 'split'],
  ['in groups of layers', { layerGroup: 1 }],
]

const fuzz = (operations: number): Suite => ({
  name: 'core: a cache on a GPU against its shadow',
  cases: [1, 2, 3].map((seed) => ({
    name: `holds every invariant over ${operations} operations from seed ${seed}`,
    group: 'fuzz',
    run: () => runFuzz(seed, operations),
  })),
})

async function runFuzz(seed: number, operations: number): Promise<void> {
  const memory = new OrderedMemory(gpu)
  await fuzzCache(
    (random) => {
      const options = {
        layers: random.pick([1, 2]),
        kvHeads: 8,
        headDim: 128,
        dtype: random.pick(['bfloat16', 'float32'] as const),
        maxSequences: random.pick([3, 6]),
        maxLength: random.pick([500, 2000]),
        layout: random.pick(['interleaved', 'split'] as const),
        limitBytes: 2 ** 21 * random.pick([8, 20, 100]),
        tailRows: random.pick([0, 128]),
        mapAhead: random.pick([false, {}] as const),
        device: gpu,
      }
      const cache = memory.with(new ContiguousKvCache(options))
      return {
        cache,
        description: JSON.stringify(options),
        memory,
        check: () => cache.check(),
        leastLimitBytes: 2 ** 21,
        ...(options.mapAhead && { mapper: cache.mapper }),
        trim: (keepBytes) => cache.trim({ keepBytes }),
        stream: new CudaTestStream(gpu),
      }
    },
    { seed, operations, operationsPerCache: 500 },
  )
}

/** @param short For where it takes longest: one layout, fewer operations. */
export function gpuSuites({ short = false } = {}): readonly Suite[] {
  return [
    { name: 'core: tensors', cases: tensorCases },
    { name: 'core: streams and copies', cases: streamCases },
    { name: 'core: graphs', cases: graphCases },
    { name: 'core: caches', cases: cacheCases },
    { name: 'core: exported pages', cases: exportCases },
    ...layouts.slice(0, short ? 1 : undefined).map(([words, layout]) => {
      const memory = new OrderedMemory(gpu)
      return cacheSuite(`ContiguousKvCache on a GPU, ${words}`, {
        kind: 'contiguous',
        // Cases compare page accounts exactly; the mapper thread would change them at any time.
        create: (options) =>
          memory.with(new ContiguousKvCache({ layout, ...options, mapAhead: false })),
        memory,
        stream: () => new CudaTestStream(gpu),
      })
    }),
    // Each operation reads rows back, over the bus.
    fuzz(short ? 600 : 3000),
  ]
}
