import { validateConfig, type AttentionConfig, type KvCacheShape } from '@vattention/interface'
import { expect, test } from 'vitest'

import { flashInferCapabilities, flashInferHopperCapabilities } from '../src/index.ts'

const shape: KvCacheShape = {
  ...{ layers: 32, kvHeads: 8, headDim: 128, valueHeadDim: 128, dtype: 'bfloat16' },
  ...{ maxSequences: 64, maxLength: 131072 },
}
const config: AttentionConfig = {
  cache: { kind: 'contiguous', shape },
  queryHeads: 32,
  dtype: 'bfloat16',
}
const codes = (asked: AttentionConfig, has = flashInferCapabilities()) =>
  validateConfig(has, asked).map(({ code }) => code)

test('the default build serves the usual models', () => {
  expect(codes(config)).toEqual([])
  expect(
    codes({ ...config, window: 4096, alibiSlopes: new Float32Array(32), causal: false }),
  ).toEqual([])
  // Any number of query heads for a KV head.
  expect(codes({ ...config, queryHeads: 56 })).toEqual([])
})

test('blocks may have any size', () => {
  const paged = (blockTokens: number) =>
    codes({ ...config, cache: { kind: 'paged', shape, blockTokens } })
  for (const blockTokens of [1, 16, 48, 256]) expect(paged(blockTokens)).toEqual([])
})

test('head dims that it cannot merge are left out of what was built', () => {
  const has = flashInferCapabilities({
    archs: ['90a', '80'],
    headDims: [64, 96, 128, 192, 256],
    dtypes: ['bfloat16'],
    softCap: true,
    fp8: false,
  })
  expect(has.headDims).toEqual([64, 128, 256])
  expect(codes({ ...config, softCap: 50 }, has)).toEqual([])
  expect(codes({ ...config, sinks: new Float32Array(32) }, has)).toEqual(['sinks'])
})

test('with the kernels for Hopper there is neither window nor cap nor ALiBi', () => {
  const has = flashInferHopperCapabilities()
  expect(has.computeCapabilities).toEqual(['9.0'])
  expect(codes(config, has)).toEqual([])
  expect(
    codes({ ...config, window: 64, softCap: 30, alibiSlopes: new Float32Array(32) }, has),
  ).toEqual(['window', 'softCap', 'alibi'])
})
