/** The caches that `--cache` can name. */
import { ContiguousKvCache } from '@vattention/core'
import type { KvCache, KvCacheShape } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

const limitBytes = 256 * 2 ** 20

const layouts = {
  contiguous: undefined, // the device's default: split on the CPU
  interleaved: 'interleaved',
  split: 'split',
} as const

const poolLayouts = { paged: 'nhd', 'paged-attention': 'paged-attention' } as const

/** How the names look, for messages. */
export const cacheNames =
  'contiguous, interleaved, split, paged-16 or paged-attention-16 (also with 8, 32, 64 tokens a block)'

/** The ones that `--all` runs. The last has vLLM's pool layout, which is for vLLM's kernels only. */
export const comparedCaches = ['interleaved', 'split', 'paged-16', 'paged-64', 'paged-attention-16']

/**
 * Makes the cache that `name` stands for.
 * @throws TypeError for an unknown name.
 */
export function openCache(name: string, shape: KvCacheShape): KvCache {
  if (Object.hasOwn(layouts, name)) {
    const layout = layouts[name as keyof typeof layouts]
    return new ContiguousKvCache({ ...shape, limitBytes, ...(layout ? { layout } : {}) })
  }
  const [, pool, blockTokens] = /^(paged|paged-attention)-(\d+)$/.exec(name) ?? []
  if (!pool) throw new TypeError(`--cache: ${cacheNames} expected, found ${name}`)
  return new PagedKvCache({
    ...shape,
    limitBytes,
    blockTokens: Number(blockTokens), // the cache refuses what no kernel is written for
    poolLayout: poolLayouts[pool as keyof typeof poolLayouts],
  })
}
