import { validateConfig, type AttentionConfig, type KvCacheShape } from '@vattention/interface'
import { expect, test } from 'vitest'

import { flashAttention3Capabilities } from '../src/index.ts'

const shape: KvCacheShape = {
  ...{ layers: 32, kvHeads: 8, headDim: 128, valueHeadDim: 128, dtype: 'bfloat16' },
  ...{ maxSequences: 64, maxLength: 131072 },
}
const config: AttentionConfig = {
  cache: { kind: 'contiguous', shape },
  queryHeads: 32,
  dtype: 'bfloat16',
}
const codes = (asked: AttentionConfig, has = flashAttention3Capabilities()) =>
  validateConfig(has, asked).map(({ code }) => code)

test('the default build serves the usual models, over blocks of any size', () => {
  expect(codes(config)).toEqual([])
  expect(codes({ ...config, window: 4096, needsLse: true, causal: false })).toEqual([])
  for (const blockTokens of [1, 16, 64, 128, 256]) {
    expect(codes({ ...config, cache: { kind: 'paged', shape, blockTokens } })).toEqual([])
  }
})

test('it is for Hopper alone', () => {
  expect(flashAttention3Capabilities().computeCapabilities).toEqual(['9.0'])
  const ampere = { headDims: [64], dtypes: ['float16'], softCap: false, fp8: false } as const
  expect(
    flashAttention3Capabilities({ ...ampere, archs: ['80', '86'] }).computeCapabilities,
  ).toEqual([])
})

test('what its kernels have not is refused, and the rest follows the build', () => {
  expect(codes({ ...config, alibiSlopes: new Float32Array(32), softCap: 30 })).toEqual([
    'softCap',
    'alibi',
  ])
  const capped = flashAttention3Capabilities({
    ...{ archs: ['90a'], headDims: [128], dtypes: ['bfloat16'], softCap: true, fp8: false },
  })
  expect(codes({ ...config, softCap: 30 }, capped)).toEqual([])
})

test('caches of float8 go with queries of bfloat16 alone, if that was built', () => {
  const built = {
    ...{ archs: ['90a'], headDims: [128], softCap: false },
    dtypes: ['bfloat16', 'float16'],
  } as const
  const pairs = (fp8: boolean) => flashAttention3Capabilities({ ...built, fp8 }).kvDtypes
  const same = [
    ['bfloat16', 'bfloat16'],
    ['float16', 'float16'],
  ]
  expect(pairs(false)).toEqual(same)
  expect(pairs(true)).toEqual([same[0], ['bfloat16', 'float8_e4m3'], same[1]])
})
