import { existsSync } from 'node:fs'

import {
  validateConfig,
  type AttentionConfig,
  type KvCacheShape,
  type VattentionError,
} from '@vattention/interface'
import { expect, test } from 'vitest'

import { createBackend, pagedAttentionCapabilities } from '../src/index.ts'

const built = existsSync(new URL('../backend.node', import.meta.url))

const shape: KvCacheShape = {
  ...{ layers: 32, kvHeads: 8, headDim: 128, valueHeadDim: 128, dtype: 'bfloat16' },
  ...{ maxSequences: 64, maxLength: 131072 },
}
const config: AttentionConfig = {
  cache: { kind: 'paged', shape, blockTokens: 16, poolLayout: 'paged-attention' },
  queryHeads: 32,
  dtype: 'bfloat16',
}
const codes = (change: Partial<AttentionConfig>, has = pagedAttentionCapabilities()) =>
  validateConfig(has, { ...config, ...change }).map(({ code }) => code)

test('what this machine lacks is told in words, and where nothing is lacking it opens', () => {
  let found: Partial<VattentionError>
  try {
    using backend = createBackend()
    found = { name: backend.name }
  } catch (error) {
    found = error as VattentionError
  }
  if (!built) {
    expect(found.code).toBe('ERR_VATTENTION_NATIVE_LOAD')
    expect(found.message).toMatch(/backend\.node: no such file[^]*npm run build:cuda/)
  } else if (found.code === undefined) {
    expect(found.name).toBe('paged-attention')
  } else {
    expect(found.code).toBe('ERR_VATTENTION_BACKEND_UNAVAILABLE')
  }
})

test('it reads its own layout of blocks, in the sizes of the published kernels', () => {
  expect(codes({})).toEqual([])
  for (const blockTokens of [8, 32]) {
    const cache = { kind: 'paged', shape, blockTokens, poolLayout: 'paged-attention' } as const
    expect(codes({ cache })).toEqual([])
  }
  expect(codes({ cache: { kind: 'paged', shape, blockTokens: 64, poolLayout: 'nhd' } })).toEqual([
    'poolLayout',
    'blockTokens',
  ])
  expect(codes({ cache: { kind: 'contiguous', shape } })).toEqual(['cacheKind'])
})

test('what its kernels have not is refused', () => {
  expect(codes({ window: 64, softCap: 30, sinks: new Float32Array(32) })).toEqual([
    'window',
    'softCap',
    'sinks',
  ])
  const long = { ...shape, maxLength: 2 ** 22 }
  const cache = { kind: 'paged', shape: long, poolLayout: 'paged-attention' } as const
  expect(codes({ cache })).toEqual(['maxLength'])
})
