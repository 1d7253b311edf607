/**
 * Contents: rows of different sequences never overlap, in any layout, and what a sequence sees for
 * the first time is zero or its own.
 */
import type { Layout, PoolLayout } from '@vattention/interface'

import { Random } from '../random.ts'
import { layoutName } from '../backend/base-config.ts'
import type { CacheCase, CacheWish } from './context.ts'

const group = 'contents'

const layouts: readonly Layout[] = ['split', 'interleaved', { layerGroup: 2 }]
const pools: readonly (readonly [PoolLayout, number])[] = [
  ...[1, 8, 16, 32, 64, 128, 256].map((blockTokens) => ['nhd', blockTokens] as const),
  ['paged-attention', 8],
  ['paged-attention', 16],
  ['paged-attention', 32],
]
const dtypes = ['float32', 'float16', 'bfloat16', 'float8_e4m3'] as const

/** Cases of contents that any cache has. */
const common: readonly CacheCase[] = [
  ...dtypes.map((dtype): CacheCase => ({
    group,
    name: `contents: rows of ${dtype} with other dims for values`,
    needs: {},
    run: (context) => fillAndCheck(context, { dtype, headDim: 64, valueHeadDim: 32, kvHeads: 3 }),
  })),
  {
    group,
    name: 'contents: new rows are zero',
    needs: {},
    run(context) {
      using probe = context.probe()
      for (const length of [1, 17, 256, 300, 2048]) {
        const sequence = probe.add(length)
        probe.expectZeros(sequence, 0, length, `a new sequence of ${length}`)
      }
    },
  },
  {
    group,
    name: 'contents: what a freed sequence held is never seen again',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 8192 })
      const random = new Random(11)
      for (let round = 0; round < 30; round++) {
        const sequences = Array.from({ length: 1 + random.integer(4) }, () => {
          const length = 1 + random.integer(1500)
          const sequence = probe.add(length)
          probe.expectZeros(sequence, 0, length, `round ${round}, new rows`)
          return { sequence, length }
        })
        for (const one of sequences) {
          probe.fill(one.sequence, NaN, 0, one.length)
          const grown = Math.min(2048, one.length + random.integer(600))
          probe.step([one.sequence], [grown])
          probe.expectZeros(one.sequence, one.length, grown, `round ${round}, grown rows`)
          probe.fill(one.sequence, NaN, one.length, grown)
        }
        for (const { sequence } of random.shuffle(sequences)) probe.cache.free(sequence)
      }
    },
  },
  {
    group,
    name: 'contents: rows truncated by one sequence do not show up in another',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 4096 })
      for (let round = 0; round < 6; round++) {
        const first = probe.add(1000)
        probe.fill(first, NaN, 0, 1000)
        probe.cache.truncate(first, 100 * round)
        const second = probe.add(1000)
        probe.expectZeros(second, 0, 1000, `round ${round}: another sequence`)
        probe.fill(second, NaN, 0, 1000)
        probe.cache.free(first)
        probe.cache.free(second)
      }
    },
  },
]

/** Cases of contents of a kind. */
export function contentCases(kind: 'contiguous' | 'paged'): CacheCase[] {
  const views: readonly (readonly [string, CacheWish])[] =
    kind === 'contiguous'
      ? layouts.map((layout) => [`layout ${layoutName(layout)}`, { contiguous: { layout } }])
      : pools.map(([poolLayout, blockTokens]) => [
          `blocks of ${blockTokens}, pool ${poolLayout}`,
          { paged: { poolLayout, blockTokens } },
        ])
  return [
    ...views.map(([name, wish]): CacheCase => ({
      group,
      name: `contents: sequences do not overlap, ${name}`,
      needs: {},
      run: (context) => fillAndCheck(context, { layers: 5, ...wish }),
    })),
    ...common,
  ]
}

/** Fills several sequences that grow in turns, then reads all of them. */
function fillAndCheck(context: Parameters<CacheCase['run']>[0], wish: CacheWish): void {
  using probe = context.probe({ maxSequences: 6, maxLength: 600, ...wish })
  const lengths = [600, 1, 300, 257, 130, 16]
  const sequences = lengths.map(() => probe.allocate())
  for (let reached = 0; reached < 600; reached += 97) {
    const next = lengths.map((length) => Math.min(length, reached + 97))
    probe.step(sequences, next)
    for (const [i, sequence] of sequences.entries()) {
      probe.write(sequence, i, Math.min(lengths[i]!, reached), next[i]!)
    }
  }
  for (const [i, sequence] of sequences.entries()) {
    probe.expectRows(sequence, i, 0, lengths[i]!, `sequence ${i}`)
  }
}
