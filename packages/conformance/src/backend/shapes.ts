/**
 * Shapes: the pairs of query and KV length, head counts, dims and dtypes that upstream suites test,
 * and lengths at every edge of a tile, a block or a page.
 */
import type { Capabilities } from '@vattention/interface'

import {
  baseConfig,
  declaredDtypes,
  declaredHeadDims,
  type CacheKind,
  type ConfigOverrides,
} from './base-config.ts'
import type { BackendCase } from './context.ts'
import { passCase, smallBatch, type Lengths } from './pass-case.ts'

const group = 'shapes'

/** Pairs of FlashAttention's and vLLM's suites: for a query length, KV lengths. */
const kvLengths: readonly (readonly [query: number, kv: readonly number[]])[] = [
  [1, [1, 7, 128, 213, 312, 339, 1328, 7812]],
  [3, [16, 799, 1024]],
  [5, [5, 18]],
  [64, [256, 800, 2048]],
  [108, [256]],
  [113, [203, 211]],
  [128, [128, 217]],
  [129, [463]],
  [134, [5131]],
  [256, [512]],
  [1023, [1024]],
  [1024, [1024]],
  [2048, [2048]],
  [2345, [2345]],
]
const pairs = kvLengths.flatMap(([query, kv]) => kv.map((length): Lengths => [query, length]))

/** Pairs with a context so long that one KV head has to do. */
const longPairs: readonly Lengths[] = [
  [7939, 8190],
  [16, 20000],
  [1, 131072],
  [16, 131072],
]

/** Around the edges of tiles of 16 to 512 tokens, of blocks, and of 64 KiB pages. */
const edges = [16, 32, 64, 128, 256, 512].flatMap((tile) => [tile - 1, tile, tile + 1])

const heads: readonly Lengths[] = [
  [4, 4],
  [8, 2],
  [9, 3],
  [6, 1],
  [5, 1],
  [32, 8],
  [71, 1],
]

const times = (count: number, lengths: Lengths): Lengths[] => Array<Lengths>(count).fill(lengths)

/** Batches of upstream suites, and the sizes between one sequence and hundreds. */
const batches: readonly (readonly [name: string, batch: readonly Lengths[]])[] = [
  [
    'two sequences',
    [
      [1, 40],
      [32, 32],
    ],
  ],
  [
    'decode rows between prompts',
    [
      [7, 7],
      [1, 56],
      [5, 48],
      [1, 32],
      [40, 40],
      [1, 1],
      [5, 56],
    ],
  ],
  ['77 sequences decoding at 512 tokens', times(77, [1, 512])],
  [
    '256 sequences decoding at different lengths',
    Array.from({ length: 256 }, (_, i) => [1, i + 1]),
  ],
  [
    '256 prompts of different lengths',
    Array.from({ length: 256 }, (_, i) => [1 + (i % 9), 1 + (i % 9)]),
  ],
  ['264 decoding, 128 with three tokens each', [...times(264, [1, 300]), ...times(128, [3, 700])]],
  [
    'a short prompt beside a long context',
    [
      [2, 235],
      [1, 13353],
    ],
  ],
]

/** Cases of lengths, heads, dims and dtypes, over a cache of `kind`. */
export function shapeCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const config = (overrides: ConfigOverrides = {}) => baseConfig(capabilities, kind, overrides)
  const oneHead = config({ kvHeads: 1 })
  const batch = smallBatch(capabilities)
  return [
    ...pairs.map(([query, kv]) =>
      passCase({
        group,
        name: `${query} new of ${kv} tokens`,
        config: config(),
        batch: [[query, kv]],
      }),
    ),
    ...longPairs.map(([query, kv]) =>
      passCase({
        group,
        name: `${query} new of ${kv} tokens`,
        config: oneHead,
        batch: [[query, kv]],
      }),
    ),
    passCase({
      group,
      name: 'prompts around every edge',
      config: config(),
      batch: edges.map((length) => [length, length]),
    }),
    passCase({
      group,
      name: 'one token at contexts around every edge',
      config: config(),
      batch: edges.map((length) => [1, length]),
    }),
    passCase({
      group,
      name: 'chunks that end around every edge',
      config: config(),
      batch: edges.map((length) => [Math.min(length, 13), length]),
    }),
    passCase({
      group,
      name: 'chunks that start around every edge',
      config: config(),
      batch: edges.map((length) => [13, length + 13]),
    }),
    ...batches.map(([name, batch]) => passCase({ group, name, config: oneHead, batch })),
    ...heads.map(([queryHeads, kvHeads]) =>
      passCase({
        group,
        name: `${queryHeads} query heads over ${kvHeads}`,
        config: config({ queryHeads, kvHeads }),
        batch,
      }),
    ),
    ...declaredHeadDims(capabilities).map(([headDim, valueHeadDim]) =>
      passCase({
        group,
        name:
          headDim === valueHeadDim ? `head dim ${headDim}` : `head dims ${headDim}/${valueHeadDim}`,
        config: config({ headDim, valueHeadDim }),
        batch,
      }),
    ),
    ...declaredDtypes(capabilities).flatMap(([dtype, kvDtype]) =>
      [batch, [[200, 200]] as const, [[1, 1500]] as const].map((lengths, i) =>
        passCase({
          group,
          name: `${dtype} over a cache of ${kvDtype}, ${['a mixed batch', 'a prompt', 'decoding'][i]}`,
          config: config({ dtype, kvDtype }),
          batch: lengths,
        }),
      ),
    ),
  ]
}
