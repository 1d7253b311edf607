import { expect, test } from 'vitest'
import {
  describeBlockSizes,
  validateConfig,
  type AttentionConfig,
  type Capabilities,
} from '../src/index.ts'
import { capabilities, config, shape } from './support.ts'

const codes = (asked: AttentionConfig, has: Capabilities = capabilities) =>
  validateConfig(has, asked).map(({ code }) => code)

test('a configuration within the capabilities has no reason against it', () => {
  expect(validateConfig(capabilities, config)).toEqual([])
})

test('every reason is reported, not the first', () => {
  const asked: AttentionConfig = {
    cache: {
      kind: 'contiguous',
      shape: { ...shape, headDim: 80, valueHeadDim: 80, dtype: 'float16', maxLength: 8192 },
      layout: 'interleaved',
    },
    queryHeads: 6,
    dtype: 'float16',
    causal: false,
    window: 128,
    softCap: 30,
    alibiSlopes: new Float32Array(6),
    sinks: new Float32Array(6),
    needsLse: true,
    batchInvariant: true,
  }
  expect(codes(asked)).toEqual([
    'layout',
    'maxLength',
    'headDim',
    'groupSize',
    'dtype',
    'kvDtype',
    'nonCausal',
    'window',
    'softCap',
    'alibi',
    'sinks',
    'lse',
    'batchInvariant',
  ])
})

test('a reason says what was expected and what was found', () => {
  const asked = {
    ...config,
    cache: { kind: 'contiguous' as const, shape: { ...shape, headDim: 96, valueHeadDim: 96 } },
  }
  expect(validateConfig(capabilities, asked)).toEqual([
    {
      code: 'headDim',
      message: 'head dim 64, 128 required, found 96',
      expected: '64, 128',
      found: '96',
    },
  ])
})

test('head dims may be pairs of key and value', () => {
  const mla: Capabilities = { ...capabilities, headDims: [[192, 128]] }
  const cache = {
    kind: 'contiguous' as const,
    shape: { ...shape, headDim: 192, valueHeadDim: 128 },
  }
  expect(codes({ ...config, cache }, mla)).toEqual([])
  expect(codes({ ...config, cache })).toEqual(['headDim'])
  expect(codes(config, mla)).toEqual(['headDim'])
})

test('head dims of key and value may be independent, and bounded', () => {
  const sizes = { multipleOf: 8, atMost: 256 }
  const free: Capabilities = { ...capabilities, headDims: { key: sizes, value: sizes } }
  const withDims = (headDim: number, valueHeadDim: number): AttentionConfig => ({
    ...config,
    cache: { kind: 'contiguous', shape: { ...shape, headDim, valueHeadDim } },
  })
  expect(codes(withDims(192, 128), free)).toEqual([])
  expect(codes(withDims(264, 64), free)).toEqual(['headDim'])
  expect(codes(withDims(64, 60), free)).toEqual(['headDim'])
  const [reason] = validateConfig(free, withDims(512, 64))
  expect(reason!.expected).toBe('any multiple of 8 up to 256')
})

test('cache dtypes may depend on the query dtype', () => {
  const pairs: Capabilities = {
    ...capabilities,
    kvDtypes: [
      ['float32', 'float32'],
      ['bfloat16', 'bfloat16'],
    ],
  }
  expect(codes(config, pairs)).toEqual([])
  expect(codes({ ...config, dtype: 'float32' }, pairs)).toEqual(['kvDtype'])
})

test('a paged cache is checked for pool layout and block size', () => {
  const paged: Capabilities = {
    ...capabilities,
    cacheKinds: ['paged'],
    poolLayouts: ['nhd'],
    blockTokens: { multipleOf: 16 },
  }
  const cache = (blockTokens: number, poolLayout: 'nhd' | 'paged-attention') => ({
    kind: 'paged' as const,
    shape,
    blockTokens,
    poolLayout,
  })
  expect(codes({ ...config, cache: cache(32, 'nhd') }, paged)).toEqual([])
  expect(codes({ ...config, cache: cache(8, 'paged-attention') }, paged)).toEqual([
    'poolLayout',
    'blockTokens',
  ])
  expect(codes(config, paged)).toEqual(['cacheKind'])
})

test('block sizes may go with head dims', () => {
  const paged: Capabilities = {
    ...capabilities,
    headDims: 'any',
    cacheKinds: ['paged'],
    poolLayouts: ['nhd'],
    blockTokens: [
      { headDimAtMost: 64, sizes: { multipleOf: 256 } },
      { headDimAtMost: 128, sizes: [128, 256] },
    ],
  }
  const asked = (headDim: number, blockTokens: number): AttentionConfig => ({
    ...config,
    cache: {
      kind: 'paged',
      shape: { ...shape, headDim, valueHeadDim: headDim },
      blockTokens,
      poolLayout: 'nhd',
    },
  })
  expect(codes(asked(64, 512), paged)).toEqual([])
  expect(codes(asked(64, 128), paged)).toEqual(['blockTokens'])
  expect(codes(asked(80, 128), paged)).toEqual([])
  expect(codes(asked(80, 512), paged)).toEqual(['blockTokens'])
  expect(codes(asked(256, 256), paged)).toEqual(['blockTokens'])
  expect(describeBlockSizes(paged.blockTokens)).toBe(
    'any multiple of 256 (head dim up to 64), 128, 256 (up to 128)',
  )
})

test('nonsense is refused whatever the capabilities', () => {
  expect(codes({ ...config, queryHeads: 0 })).toContain('queryHeads')
  expect(codes({ ...config, queryHeads: 5 })).toEqual(['queryHeads'])
  expect(codes({ ...config, scale: Number.NaN })).toEqual(['scale'])
  expect(codes({ ...config, window: 1.5 }, { ...capabilities, slidingWindow: true })).toEqual([
    'window',
  ])
  expect(codes({ ...config, softCap: -1 }, { ...capabilities, softCap: true })).toEqual(['softCap'])
  expect(
    codes({ ...config, alibiSlopes: new Float32Array(3) }, { ...capabilities, alibi: true }),
  ).toEqual(['alibiSlopes'])
})

test('a float8 cache needs its scales', () => {
  const fp8: Capabilities = { ...capabilities, kvDtypes: ['float8_e4m3'] }
  const cache = { kind: 'contiguous' as const, shape: { ...shape, dtype: 'float8_e4m3' as const } }
  expect(codes({ ...config, cache }, fp8)).toEqual(['fp8Scales'])
})
