import type { AttentionConfig, CacheDescription } from './attention-config.ts'
import {
  blockSizes,
  describeSizes,
  sizeAllowed,
  type Capabilities,
  type SizeSet,
} from './capabilities.ts'
import type { DType } from './dtype.ts'
import type { Reason } from './errors.ts'
import type { KvCache, Layout } from './kv-cache.ts'

/**
 * Every reason why something with `capabilities` cannot serve `config`; empty when it can.
 * Backends build their `validate` on it and add what data cannot say.
 */
export function validateConfig(capabilities: Capabilities, config: AttentionConfig): Reason[] {
  const cache = describeCache(config.cache)
  return [
    ...invalidValues(config, cache),
    ...cacheReasons(capabilities, config, cache),
    ...headReasons(capabilities, config, cache),
    ...dtypeReasons(capabilities, config, cache),
    ...featureReasons(capabilities, config),
  ]
}

/** The description of a live cache, or the description itself. */
export function describeCache(
  cache: KvCache | CacheDescription,
): CacheDescription & { deviceType?: string; tailRows?: number } {
  if (!('view' in cache)) return cache
  const view = cache.view()
  const base = { kind: cache.kind, shape: cache.shape, deviceType: cache.device.type }
  return view.kind === 'paged'
    ? { ...base, blockTokens: view.blockTokens, poolLayout: view.layout }
    : { ...base, tailRows: view.tailRows }
}

const reason = (code: string, message: string, expected: string, found: unknown): Reason => ({
  code,
  message,
  expected,
  found: String(found),
})

function requirePositive(code: string, value: number, what: string): Reason[] {
  if (Number.isSafeInteger(value) && value > 0) return []
  return [
    reason(code, `${what} must be a positive integer, found ${value}`, 'a positive integer', value),
  ]
}

/** What no backend could make sense of. */
function invalidValues(config: AttentionConfig, { shape }: CacheDescription): Reason[] {
  const found = requirePositive('queryHeads', config.queryHeads, 'queryHeads')
  const { scale, window, softCap } = config
  if (scale !== undefined && !(Number.isFinite(scale) && scale > 0)) {
    found.push(
      reason(
        'scale',
        `scale must be a positive number, found ${scale}`,
        'a positive number',
        scale,
      ),
    )
  }
  if (window !== undefined) found.push(...requirePositive('window', window, 'window'))
  if (softCap !== undefined && !(Number.isFinite(softCap) && softCap > 0)) {
    found.push(
      reason(
        'softCap',
        `softCap must be a positive number, found ${softCap}`,
        'a positive number',
        softCap,
      ),
    )
  }
  for (const name of ['alibiSlopes', 'sinks'] as const) {
    const values = config[name]
    if (values && values.length !== config.queryHeads) {
      found.push(
        reason(
          name,
          `${name} needs one value per query head (${config.queryHeads}), found ${values.length}`,
          `${config.queryHeads} values`,
          values.length,
        ),
      )
    }
  }
  if (config.queryHeads % shape.kvHeads !== 0) {
    found.push(
      reason(
        'queryHeads',
        `queryHeads must be a multiple of the cache's ${shape.kvHeads} KV heads, found ${config.queryHeads}`,
        `a multiple of ${shape.kvHeads}`,
        config.queryHeads,
      ),
    )
  }
  return found
}

function cacheReasons(
  capabilities: Capabilities,
  config: AttentionConfig,
  cache: ReturnType<typeof describeCache>,
): Reason[] {
  const found: Reason[] = []
  if (cache.deviceType !== undefined && cache.deviceType !== capabilities.deviceType) {
    found.push(
      reason(
        'device',
        `a cache on ${capabilities.deviceType} required, found ${cache.deviceType}`,
        capabilities.deviceType,
        cache.deviceType,
      ),
    )
  }
  if (!capabilities.cacheKinds.includes(cache.kind)) {
    found.push(
      reason(
        'cacheKind',
        `${cache.kind} caches are not supported`,
        capabilities.cacheKinds.join(', '),
        cache.kind,
      ),
    )
  } else if (cache.kind === 'paged') {
    const layout = cache.poolLayout ?? 'nhd'
    if (!capabilities.poolLayouts.includes(layout)) {
      found.push(
        reason(
          'poolLayout',
          `pool layout ${capabilities.poolLayouts.join(' or ')} required, found ${layout}`,
          capabilities.poolLayouts.join(', '),
          layout,
        ),
      )
    }
    const sizes = blockSizes(capabilities.blockTokens, cache.shape.headDim)
    found.push(...sizeReason('blockTokens', 'block size', sizes, cache.blockTokens ?? 16))
  } else {
    if (
      cache.layout !== undefined &&
      capabilities.layouts !== 'any' &&
      !hasLayout(capabilities.layouts, cache.layout)
    ) {
      found.push(
        reason(
          'layout',
          `layout ${capabilities.layouts.map(layoutName).join(' or ')} required, found ${layoutName(cache.layout)}`,
          capabilities.layouts.map(layoutName).join(', '),
          layoutName(cache.layout),
        ),
      )
    }
    if (cache.tailRows !== undefined && cache.tailRows < capabilities.tailRows) {
      found.push(
        reason(
          'tailRows',
          `a cache with tailRows of at least ${capabilities.tailRows} required, found ${cache.tailRows}`,
          `at least ${capabilities.tailRows}`,
          cache.tailRows,
        ),
      )
    }
  }
  if (cache.shape.maxLength > capabilities.maxLength) {
    found.push(
      reason(
        'maxLength',
        `sequences of at most ${capabilities.maxLength} tokens are supported, found ${cache.shape.maxLength}`,
        `at most ${capabilities.maxLength}`,
        cache.shape.maxLength,
      ),
    )
  }
  if (!capabilities.append && config.dtype !== cache.shape.dtype) {
    found.push(
      reason(
        'append',
        'the cache must have the dtype of the query',
        config.dtype,
        cache.shape.dtype,
      ),
    )
  }
  return found
}

function headReasons(
  capabilities: Capabilities,
  config: AttentionConfig,
  { shape }: CacheDescription,
): Reason[] {
  const found: Reason[] = []
  const pair = [shape.headDim, shape.valueHeadDim] as const
  const { headDims } = capabilities
  if (!headDimsAllowed(headDims, ...pair)) {
    const expected = describeHeadDims(headDims)
    const dims = pair[0] === pair[1] ? String(pair[0]) : pair.join('/')
    found.push(reason('headDim', `head dim ${expected} required, found ${dims}`, expected, dims))
  }
  if (config.queryHeads % shape.kvHeads === 0) {
    found.push(
      ...sizeReason(
        'groupSize',
        'query heads per KV head',
        capabilities.groupSizes,
        config.queryHeads / shape.kvHeads,
      ),
    )
  }
  return found
}

function dtypeReasons(
  capabilities: Capabilities,
  config: AttentionConfig,
  { shape }: CacheDescription,
): Reason[] {
  const found: Reason[] = []
  const { kvDtypes } = capabilities
  if (!capabilities.dtypes.includes(config.dtype)) {
    found.push(
      reason(
        'dtype',
        `query dtype ${capabilities.dtypes.join(' or ')} required, found ${config.dtype}`,
        capabilities.dtypes.join(', '),
        config.dtype,
      ),
    )
  }
  if (isDtypePairs(kvDtypes)) {
    const caches = (query: DType): DType[] =>
      kvDtypes.filter(([one]) => one === query).map(([, cache]) => cache)
    const fitting = caches(config.dtype)
    // Queries that fit no cache have had their reason; the cache has one if it fits no queries.
    const expected = fitting.length > 0 ? fitting : [...new Set(kvDtypes.map(([, cache]) => cache))]
    if (!expected.includes(shape.dtype)) {
      const queries = fitting.length > 0 ? `with ${config.dtype} queries ` : ''
      found.push(
        reason(
          'kvDtype',
          `${queries}a cache of ${expected.join(' or ')} is required, found ${shape.dtype}`,
          expected.join(', '),
          shape.dtype,
        ),
      )
    }
  } else if (!kvDtypes.includes(shape.dtype)) {
    found.push(
      reason(
        'kvDtype',
        `a cache of ${kvDtypes.join(' or ')} required, found ${shape.dtype}`,
        kvDtypes.join(', '),
        shape.dtype,
      ),
    )
  }
  if (shape.dtype === 'float8_e4m3' && !config.fp8Scales) {
    found.push(reason('fp8Scales', 'a float8 cache needs fp8Scales', 'fp8Scales', 'none'))
  }
  return found
}

function featureReasons(capabilities: Capabilities, config: AttentionConfig): Reason[] {
  const wanted: [asked: boolean, has: boolean, code: string, name: string][] = [
    [config.causal ?? true, capabilities.causal, 'causal', 'causal attention'],
    [config.causal === false, capabilities.nonCausal, 'nonCausal', 'non-causal attention'],
    [config.window !== undefined, capabilities.slidingWindow, 'window', 'a sliding window'],
    [config.softCap !== undefined, capabilities.softCap, 'softCap', 'a soft cap'],
    [config.alibiSlopes !== undefined, capabilities.alibi, 'alibi', 'ALiBi'],
    [config.sinks !== undefined, capabilities.sinks, 'sinks', 'attention sinks'],
    [config.needsLse ?? false, capabilities.lse, 'lse', 'LSE output'],
    [
      config.batchInvariant ?? false,
      capabilities.batchInvariant !== 'never',
      'batchInvariant',
      'batch invariance',
    ],
  ]
  return wanted
    .filter(([asked, has]) => asked && !has)
    .map(([, , code, name]) => reason(code, `${name} is not supported`, 'absent', 'asked for'))
}

function sizeReason(code: string, name: string, set: SizeSet, size: number): Reason[] {
  if (sizeAllowed(set, size)) return []
  return [
    reason(code, `${name} ${describeSizes(set)} required, found ${size}`, describeSizes(set), size),
  ]
}

const layoutName = (layout: Layout) =>
  typeof layout === 'string' ? layout : `layerGroup ${layout.layerGroup}`

function hasLayout(layouts: readonly Layout[], layout: Layout): boolean {
  return layouts.some((other) => layoutName(other) === layoutName(layout))
}

function headDimsAllowed(dims: Capabilities['headDims'], key: number, value: number): boolean {
  if (isPairs(dims)) return dims.some((pair) => pair[0] === key && pair[1] === value)
  if (isIndependent(dims)) return sizeAllowed(dims.key, key) && sizeAllowed(dims.value, value)
  return key === value && sizeAllowed(dims, key)
}

export function describeHeadDims(dims: Capabilities['headDims']): string {
  if (isPairs(dims)) return dims.map((pair) => pair.join('/')).join(', ')
  if (!isIndependent(dims)) return describeSizes(dims)
  const [key, value] = [describeSizes(dims.key), describeSizes(dims.value)]
  return key === value ? key : `${key} (values: ${value})`
}

function isIndependent(
  dims: Capabilities['headDims'],
): dims is { readonly key: SizeSet; readonly value: SizeSet } {
  return typeof dims === 'object' && 'key' in dims
}

function isPairs(dims: Capabilities['headDims']): dims is readonly (readonly [number, number])[] {
  return Array.isArray(dims) && Array.isArray(dims[0])
}

function isDtypePairs(
  dtypes: Capabilities['kvDtypes'],
): dtypes is readonly (readonly [DType, DType])[] {
  return Array.isArray(dtypes[0])
}
