import { HostTimeline } from '@vattention/core'
import type { PagedCacheOptions } from '@vattention/interface'
import { expect, it } from 'vitest'

import { fuzzCache, type MakeFuzzSubject } from '../../conformance/src/fuzz/index.ts'
import { blockSizes, PagedKvCache } from '../src/index.ts'

const seed = Number(process.env.VATTENTION_FUZZ_SEED ?? 20261121)
const operations = Number(process.env.VATTENTION_FUZZ_OPERATIONS ?? 100_000)

/** Options of every kind: block sizes, layouts, dtypes, pools from far too small to ample. */
const makeSubject: MakeFuzzSubject = (random) => {
  const shape = {
    layers: random.pick([1, 2, 3]),
    kvHeads: random.pick([1, 2]),
    headDim: random.pick([16, 32]),
    valueHeadDim: random.pick([5, 16]),
    dtype: random.pick(['float32', 'bfloat16', 'float16', 'float8_e4m3'] as const),
    maxSequences: random.pick([3, 6, 10]),
    maxLength: random.pick([64, 200, 400]),
  }
  const base = {
    ...shape,
    blockTokens: random.pick(blockSizes),
    poolLayout: random.pick(['nhd', 'paged-attention'] as const),
    limitBytes: 2 ** 30,
  }
  const { blockBytes, maxBlocks, wasteBoundBytes } = PagedKvCache.geometry(base)
  const blocks = Math.ceil(shape.maxSequences * maxBlocks * random.pick([0.15, 0.4, 1.5]))
  const options: PagedCacheOptions = {
    ...base,
    limitBytes: blocks * blockBytes,
    prefixCache: random.integer(8) > 0,
  }
  const hashBits = random.pick([1, 6, 64])
  const cache = new PagedKvCache(options, { hashBits })
  return {
    cache,
    description: JSON.stringify({ ...options, hashBits }),
    check: () => cache.check(),
    wasteBoundBytes,
    trim: () => cache.dropPrefixes(),
    ...(random.integer(2) === 0 && { stream: new HostTimeline() }),
  }
}

it(`holds every invariant over ${operations} operations from seed ${seed}`, async () => {
  const report = await fuzzCache(makeSubject, { seed, operations })
  const done = Object.values(report).reduce((sum, count) => sum + count, 0)
  // Operations that found nothing to be done to do not count.
  expect(done).toBeGreaterThan(operations * 0.8)
})
