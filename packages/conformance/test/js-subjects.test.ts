/** The kit on a backend and on caches written in JavaScript, over simulated memory. */
import { describeBackend, describeCache } from '../src/vitest.ts'
import { JsContiguousCache } from './support/js-contiguous-cache.ts'
import { JsPagedCache } from './support/js-paged-cache.ts'
import { NaiveBackend } from './support/naive-backend.ts'
import { SimulatedMemory } from './support/simulated-memory.ts'

const memory = new SimulatedMemory()

describeCache('a contiguous cache in JavaScript', () => ({
  kind: 'contiguous',
  create: (options) => new JsContiguousCache(options, memory),
  memory,
  prefixIndex: false,
  sharesMemory: false,
}))

describeCache('a paged cache in JavaScript', () => ({
  kind: 'paged',
  create: (options) => new JsPagedCache(options, memory),
  memory,
  prefixIndex: false,
}))

describeBackend('a backend in JavaScript', () => ({
  // Plain loops: long contexts are for backends that are made for them.
  backend: new NaiveBackend(memory, undefined, { maxLength: 600 }),
  create: () => new NaiveBackend(memory),
  caches: {
    contiguous: (options) => new JsContiguousCache(options, memory),
    paged: (options) => new JsPagedCache(options, memory),
  },
  memory,
  sameKernel: true,
}))
