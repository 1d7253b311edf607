import { traceErrors } from './errors.ts'
import type { Trace } from './trace.ts'

/** What a prefix cache could reach at most on a trace: the figure to print beside a hit rate. */
export interface PrefixCeiling {
  readonly blocks: number
  readonly hitBlocks: number
  /** `hitBlocks / blocks`. */
  readonly blockRate: number
  readonly promptTokens: number
  /** At most all but the last token of each prompt: one is always computed. */
  readonly hitTokens: number
  /** `hitTokens / promptTokens`. */
  readonly tokenRate: number
  /** Share of requests that find the first block and no more: the system prompt. */
  readonly firstBlockOnlyRate: number
}

/** What the cache of the thought experiment can hold. */
export interface PrefixCeilingOptions {
  /** Tokens, evicted least recently used and deepest first. Defaults to no bound. */
  readonly cacheTokens?: number
}

/**
 * Hits of a cache that keeps every prompt's blocks, full or not, as soon as the request has come.
 *
 * @throws `ERR_VATTENTION_TRACE_SCALE` for a trace without block hashes.
 */
export function prefixCeiling(trace: Trace, options: PrefixCeilingOptions = {}): PrefixCeiling {
  const { requests, blockTokens } = trace
  if (blockTokens === undefined) {
    throw traceErrors.scale('This trace has no block hashes: what its prompts share is unknown.')
  }
  const capacity = Math.floor((options.cacheTokens ?? Number.POSITIVE_INFINITY) / blockTokens)
  // In order of last use, oldest first.
  const cached = new Set<number>()
  let [blocks, hitBlocks, promptTokens, hitTokens, firstOnly] = [0, 0, 0, 0, 0]
  for (const { blockHashes = [], promptTokens: tokens } of requests) {
    const missed = blockHashes.findIndex((hash) => !cached.has(hash))
    const hits = missed < 0 ? blockHashes.length : missed
    blocks += blockHashes.length
    hitBlocks += hits
    promptTokens += tokens
    hitTokens += Math.min(hits * blockTokens, tokens - 1)
    if (hits === 1) firstOnly++
    for (let i = blockHashes.length - 1; i >= 0; i--) {
      cached.delete(blockHashes[i]!)
      cached.add(blockHashes[i]!)
    }
    for (const oldest of cached) {
      if (cached.size <= capacity) break
      cached.delete(oldest)
    }
  }
  return {
    blocks,
    hitBlocks,
    blockRate: hitBlocks / blocks,
    promptTokens,
    hitTokens,
    tokenRate: hitTokens / promptTokens,
    firstBlockOnlyRate: firstOnly / requests.length,
  }
}
