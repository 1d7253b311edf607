import { validateConfig, type AttentionConfig, type KvCacheShape } from '@vattention/interface'
import { expect, test } from 'vitest'

import { flashAttention2Capabilities } from '../src/index.ts'

const shape: KvCacheShape = {
  ...{ layers: 32, kvHeads: 8, headDim: 128, valueHeadDim: 128, dtype: 'bfloat16' },
  ...{ maxSequences: 64, maxLength: 131072 },
}
const config: AttentionConfig = {
  cache: { kind: 'contiguous', shape, layout: 'interleaved' },
  queryHeads: 32,
  dtype: 'bfloat16',
}
const codes = (asked: AttentionConfig, has = flashAttention2Capabilities()) =>
  validateConfig(has, asked).map(({ code }) => code)
const paged = (headDim: number, blockTokens: number): AttentionConfig => ({
  ...config,
  cache: { kind: 'paged', shape: { ...shape, headDim, valueHeadDim: headDim }, blockTokens },
})

test('the default build serves the usual models', () => {
  expect(codes(config)).toEqual([])
  expect(codes({ ...config, window: 4096, needsLse: true, batchInvariant: true })).toEqual([])
  expect(codes({ ...config, alibiSlopes: new Float32Array(32) })).toEqual([])
})

test('blocks are multiples of a tile of keys', () => {
  expect(codes(paged(128, 128))).toEqual([])
  expect(codes(paged(128, 256))).toEqual([])
  expect(codes(paged(128, 64))).toEqual(['blockTokens'])
  expect(codes(paged(64, 256))).toEqual([])
  expect(codes(paged(64, 128))).toEqual(['blockTokens'])
  expect(codes(paged(64, 16))).toEqual(['blockTokens'])
})

test('what was built decides about head dims, dtypes and the soft cap', () => {
  const has = flashAttention2Capabilities({
    ...{ archs: ['80'], headDims: [128, 256], dtypes: ['float16'], softCap: true, fp8: true },
  })
  expect(has.computeCapabilities).toEqual(['8.0'])
  expect(codes(config, has)).toEqual(['dtype', 'kvDtype'])
  const half: AttentionConfig = {
    ...paged(256, 64),
    cache: {
      kind: 'paged',
      shape: { ...shape, headDim: 256, valueHeadDim: 256, dtype: 'float16' },
      blockTokens: 64,
    },
    dtype: 'float16',
    softCap: 30,
  }
  expect(codes(half, has)).toEqual([])
  expect(codes({ ...config, softCap: 30 })).toEqual(['softCap'])
})

test('what its kernels have not is refused', () => {
  expect(codes({ ...config, sinks: new Float32Array(32) })).toEqual(['sinks'])
  const published = { ...paged(128, 128).cache, poolLayout: 'paged-attention' as const }
  expect(codes({ ...config, cache: published })).toEqual(['poolLayout'])
  const wide = { ...shape, dtype: 'float32' as const }
  expect(
    codes({ ...config, dtype: 'float32', cache: { kind: 'contiguous', shape: wide } }),
  ).toEqual(['dtype', 'kvDtype'])
})
