/**
 * The configuration that cases start from: the plainest one that a backend declares, so that each
 * case asks for one thing more and no backend is tested with what it never claimed.
 */
import {
  blockSizes,
  cpu,
  sizeAllowed,
  type AttentionConfig,
  type Capabilities,
  type Device,
  type DType,
  type KvCache,
  type KvCacheShape,
  type Layout,
  type PoolLayout,
  type SizeSet,
  type Tensor,
} from '@vattention/interface'

import type { DescribedConfig } from './needs.ts'

/** What a case may ask for over the plainest configuration. */
export interface ConfigOverrides extends Partial<Omit<AttentionConfig, 'cache'>> {
  readonly kvDtype?: DType
  readonly kvHeads?: number
  readonly headDim?: number
  readonly valueHeadDim?: number
  readonly layers?: number
  readonly layout?: Layout
  readonly poolLayout?: PoolLayout
  readonly blockTokens?: number
}

/** Kinds of cache. */
export type CacheKind = KvCache['kind']
export const cacheKinds: readonly CacheKind[] = ['contiguous', 'paged']

/** Stands for scales that a scene makes: needs are data and have no memory. */
function describedScales({ deviceType }: Capabilities, kvHeads: number) {
  const device: Device = deviceType === 'cpu' ? cpu : { type: 'cuda', index: 0 }
  const scale: Tensor = {
    ...{ data: 0n, dtype: 'float32', shape: [1, kvHeads], strides: [kvHeads, 1], device },
  }
  return { key: scale, value: scale }
}

/** The plainest configuration over a cache of `kind`, with what a case asks for. */
export function baseConfig(
  capabilities: Capabilities,
  kind: CacheKind,
  overrides: ConfigOverrides = {},
): DescribedConfig {
  const {
    kvDtype,
    headDim = preferredHeadDim(capabilities)[0],
    valueHeadDim = overrides.headDim ?? preferredHeadDim(capabilities)[1],
    kvHeads = 2,
    layers = 1,
    layout = kind === 'contiguous' ? preferredLayout(capabilities) : undefined,
    poolLayout = kind === 'paged' ? (capabilities.poolLayouts[0] ?? 'nhd') : undefined,
    blockTokens = kind === 'paged'
      ? preferred(blockSizes(capabilities.blockTokens, headDim), [16])
      : undefined,
    ...attention
  } = overrides
  const [dtype, cacheDtype] = preferredDtypes(capabilities, attention.dtype)
  const shape: KvCacheShape = {
    layers,
    kvHeads,
    headDim,
    valueHeadDim,
    dtype: kvDtype ?? cacheDtype,
    maxSequences: 1,
    maxLength: 1,
  }
  return {
    queryHeads: kvHeads * preferred(capabilities.groupSizes, [2, 1]),
    dtype,
    ...(!capabilities.causal && { causal: false }),
    ...(capabilities.lse && { needsLse: true }),
    ...(shape.dtype === 'float8_e4m3' && { fp8Scales: describedScales(capabilities, kvHeads) }),
    ...attention,
    cache: {
      kind,
      shape,
      ...(layout !== undefined && { layout }),
      ...(poolLayout !== undefined && { poolLayout }),
      ...(blockTokens !== undefined && { blockTokens }),
    },
  }
}

/** The first of `wished` that a set allows, else its smallest member of note. */
function preferred(set: SizeSet, wished: readonly number[]): number {
  const found = wished.find((size) => sizeAllowed(set, size))
  if (found !== undefined) return found
  if (set === 'any') return wished[0]!
  return 'multipleOf' in set ? set.multipleOf : (set[0] ?? wished[0]!)
}

/** Every pair of query and cache dtype that is declared. */
export function declaredDtypes({ dtypes, kvDtypes }: Capabilities): (readonly [DType, DType])[] {
  const pairs = kvDtypes.flatMap((entry) =>
    typeof entry === 'string' ? dtypes.map((dtype) => [dtype, entry] as const) : [entry],
  )
  return pairs.filter(([dtype]) => dtypes.includes(dtype))
}

/** float32 where it is declared, since its bounds are the tightest; one type for all if possible. */
function preferredDtypes(capabilities: Capabilities, asked?: DType): readonly [DType, DType] {
  const pairs = declaredDtypes(capabilities).filter(([dtype]) => !asked || dtype === asked)
  const same = pairs.filter(([query, cache]) => query === cache)
  const fallback = asked ?? capabilities.dtypes[0] ?? 'float32'
  return same.find(([query]) => query === 'float32') ?? same[0] ?? pairs[0] ?? [fallback, fallback]
}

/** Head dims that models use, and some that no tile fits. */
const usualHeadDims = [16, 32, 40, 59, 64, 72, 80, 96, 112, 128, 192, 256, 512]

/** Values narrower or wider than keys, as in MLA-like models. */
const unequalHeadDims: readonly (readonly [number, number])[] = [
  [64, 32],
  [64, 128],
  [192, 128],
]

/** Every declared pair of head dims; of unbounded sets those that models use. */
export function declaredHeadDims({ headDims }: Capabilities): (readonly [number, number])[] {
  const same = (sizes: readonly number[]) => sizes.map((size) => [size, size] as const)
  if (headDims === 'any') return same(usualHeadDims)
  if ('multipleOf' in headDims) {
    return same(usualHeadDims.filter((size) => sizeAllowed(headDims, size)))
  }
  if ('key' in headDims) {
    const pairs = [...same(usualHeadDims), ...unequalHeadDims]
    return pairs.filter(
      ([key, value]) => sizeAllowed(headDims.key, key) && sizeAllowed(headDims.value, value),
    )
  }
  return headDims.map((entry) => (typeof entry === 'number' ? [entry, entry] : entry))
}

function preferredHeadDim(capabilities: Capabilities): readonly [number, number] {
  const dims = declaredHeadDims(capabilities)
  return dims.find(([key, value]) => key === 64 && value === 64) ?? dims[0] ?? [64, 64]
}

/** Block sizes of `@vattention/paged-attention` and of published kernels. */
const usualBlockTokens = [1, 8, 16, 32, 64, 128, 256]

/** Every block size that is declared for the preferred head dim; of unbounded sets those in use. */
export function declaredBlockTokens(capabilities: Capabilities): readonly number[] {
  const sizes = blockSizes(capabilities.blockTokens, preferredHeadDim(capabilities)[0])
  if (sizes === 'any') return usualBlockTokens
  if ('multipleOf' in sizes) return usualBlockTokens.filter((size) => sizeAllowed(sizes, size))
  return sizes
}

/** Layouts of a contiguous cache to try: all that are declared. */
export function declaredLayouts({ layouts }: Capabilities): readonly Layout[] {
  return layouts === 'any' ? ['split', 'interleaved', { layerGroup: 2 }] : layouts
}

function preferredLayout({ layouts }: Capabilities): Layout | undefined {
  return layouts === 'any' ? undefined : layouts[0]
}

/** `split`, `layer group of 2`. */
export function layoutName(layout: Layout): string {
  return typeof layout === 'string' ? layout : `layer group of ${layout.layerGroup}`
}
