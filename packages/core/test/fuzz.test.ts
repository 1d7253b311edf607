import { dtypeBytes, type ContiguousCacheOptions } from '@vattention/interface'
import { expect, it } from 'vitest'

import { fuzzCache, type MakeFuzzSubject } from '../../conformance/src/fuzz/index.ts'
import { ContiguousKvCache, HostTimeline } from '../src/index.ts'

const seed = Number(process.env.VATTENTION_FUZZ_SEED ?? 20261121)
const operations = Number(process.env.VATTENTION_FUZZ_OPERATIONS ?? 100_000)

/** Options of every kind: layouts, page classes, limits, dtypes, with and without the mapper. */
const makeSubject: MakeFuzzSubject = (random) => {
  const dtype = random.pick(['float32', 'float32', 'bfloat16', 'float16'] as const)
  const mapAhead = random.pick([
    false,
    {},
    { tokens: 1 + random.integer(64), idleSlots: random.integer(3), lowWaterBytes: 0 },
  ] as const)
  const shape = {
    layers: random.pick([1, 2, 3]),
    kvHeads: 2,
    headDim: (random.pick([64, 96, 256]) * 4) / dtypeBytes[dtype],
    valueHeadDim: (random.pick([64, 128]) * 4) / dtypeBytes[dtype],
    dtype,
    maxSequences: random.pick([3, 6, 10]),
    maxLength: random.pick([64, 200, 400]),
  }
  const layout = random.pick(['split', 'interleaved', { layerGroup: 1 }] as const)
  const pageBytes = random.pick([[65536], [65536, 262144], [65536, 131072, 2 ** 20]])
  const base = { ...shape, layout, pageBytes, limitBytes: 2 ** 30 }
  const { bytesPerToken, wasteBoundBytes } = ContiguousKvCache.geometry(base)
  const most = shape.maxSequences * (shape.maxLength * bytesPerToken + wasteBoundBytes)
  const options: ContiguousCacheOptions = {
    ...base,
    limitBytes: Math.max(pageBytes[0]!, Math.ceil(most * random.pick([0.15, 0.4, 1.5]))),
    prefixBlockTokens: random.pick([1, 4, 16]),
    tailRows: random.pick([0, 0, 5]),
    leadRows: random.pick([0, 8, 256]),
    mapAhead,
    ...(random.integer(4) === 0 && { sharePageBytes: 65536 }),
    ...(random.integer(4) === 0 && { mappingBudget: 20 + random.integer(200) }),
    zero: random.pick(['recycled', 'recycled', 'new'] as const),
  }
  const cache = new ContiguousKvCache(options)
  return {
    cache,
    description: JSON.stringify(options),
    check: () => cache.check(),
    zeroes: options.zero !== 'new',
    leastLimitBytes: pageBytes[0]!,
    ...(pageBytes.length === 1 || options.sharePageBytes ? { wasteBoundBytes } : {}),
    ...(mapAhead && { mapper: cache.mapper }),
    trim: (keepBytes) => cache.trim({ keepBytes, prefixes: random.integer(2) === 0 }),
    ...(random.integer(2) === 0 && { stream: new HostTimeline() }),
  }
}

it(`holds every invariant over ${operations} operations from seed ${seed}`, async () => {
  const report = await fuzzCache(makeSubject, { seed, operations })
  const done = Object.values(report).reduce((sum, count) => sum + count, 0)
  // Operations that found nothing to be done to do not count.
  expect(done).toBeGreaterThan(operations * 0.8)
})
