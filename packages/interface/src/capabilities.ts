import type { DType } from './dtype.ts'
import type { Device } from './device.ts'
import type { Layout, PoolLayout } from './kv-cache.ts'

/** Sizes that are fine: any, a list, or the multiples of a number (up to `atMost`, where given). */
export type SizeSet =
  'any' | readonly number[] | { readonly multipleOf: number; readonly atMost?: number }

/** Block sizes that go with head dims up to one: a tile of keys must not straddle a block. */
export interface BlockSizes {
  readonly headDimAtMost: number
  readonly sizes: SizeSet
}

/** How far CUDA graphs can capture a plan; each level includes the ones after it. */
export type GraphLevel = 'always' | 'uniformBatch' | 'singleToken' | 'never'

/** What a backend can do, as data: the docs table and `validate` come from it. */
export interface Capabilities {
  readonly deviceType: Device['type']
  /** CUDA compute capabilities it was built for, `9.0`; empty on the CPU. */
  readonly computeCapabilities: readonly string[]
  /** Of query and output. */
  readonly dtypes: readonly DType[]
  /** Of the cache; a pair `[query dtype, cache dtype]` where only some combinations work. */
  readonly kvDtypes: readonly DType[] | readonly (readonly [DType, DType])[]
  /**
   * Sizes that K and V share, pairs `[head dim, value head dim]`, or sizes of each that go together
   * in any combination.
   */
  readonly headDims:
    | SizeSet
    | readonly (readonly [number, number])[]
    | { readonly key: SizeSet; readonly value: SizeSet }
  /** Query heads per KV head. */
  readonly groupSizes: SizeSet
  readonly cacheKinds: readonly ('contiguous' | 'paged')[]
  /** Of a contiguous cache, by name; strides are passed through. */
  readonly layouts: readonly Layout[] | 'any'
  readonly poolLayouts: readonly PoolLayout[]
  /** For every head dim, or for ranges of head dims in ascending order. */
  readonly blockTokens: SizeSet | readonly BlockSizes[]
  readonly causal: boolean
  readonly nonCausal: boolean
  readonly slidingWindow: boolean
  readonly softCap: boolean
  readonly alibi: boolean
  readonly sinks: boolean
  readonly lse: boolean
  readonly prefill: boolean
  readonly decode: boolean
  /** Prefill and decode rows in one plan. */
  readonly mixedBatches: boolean
  /** Writes new K and V rows itself. */
  readonly append: boolean
  readonly graphLevel: GraphLevel
  /** `always`: also when not asked for. */
  readonly batchInvariant: 'always' | 'onRequest' | 'never'
  /** Rows past the backed length that its kernels read: the cache's `tailRows` must cover it. */
  readonly tailRows: number
  /** Rows before a slid window that its kernels read. */
  readonly leadRows: number
  /** Longest KV length, in tokens. */
  readonly maxLength: number
}

/** Whether `size` is in `set`. */
export function sizeAllowed(set: SizeSet, size: number): boolean {
  if (set === 'any') return size > 0
  if (isList(set)) return set.includes(size)
  return size > 0 && size % set.multipleOf === 0 && size <= (set.atMost ?? Infinity)
}

/** A size set in words: `64, 128`, `any multiple of 8` or `any multiple of 8 up to 512`. */
export function describeSizes(set: SizeSet): string {
  if (set === 'any') return 'any'
  if (isList(set)) return set.join(', ') || 'none'
  const end = set.atMost === undefined ? '' : ` up to ${set.atMost}`
  return `any multiple of ${set.multipleOf}${end}`
}

/** The block sizes that go with a head dim. */
export function blockSizes(blockTokens: Capabilities['blockTokens'], headDim: number): SizeSet {
  if (!isByHeadDim(blockTokens)) return blockTokens
  return blockTokens.find(({ headDimAtMost }) => headDim <= headDimAtMost)?.sizes ?? []
}

/** Block sizes in words: `any multiple of 256 (head dim up to 64), any multiple of 128 (up to 128)`. */
export function describeBlockSizes(blockTokens: Capabilities['blockTokens']): string {
  if (!isByHeadDim(blockTokens)) return describeSizes(blockTokens)
  return blockTokens
    .map(({ headDimAtMost, sizes }, i) => {
      const dims = `${i === 0 ? 'head dim ' : ''}up to ${headDimAtMost}`
      return `${describeSizes(sizes)} (${dims})`
    })
    .join(', ')
}

function isByHeadDim(
  blockTokens: Capabilities['blockTokens'],
): blockTokens is readonly BlockSizes[] {
  return Array.isArray(blockTokens) && typeof blockTokens[0] === 'object'
}

function isList(set: SizeSet): set is readonly number[] {
  return Array.isArray(set)
}
