import { hostTensor, read, write } from '@vattention/core'
import { ConfigurationError, StateError, type AttentionConfig } from '@vattention/interface'
import { expect, test } from 'vitest'

import { CpuBackend, createBackend, createCpuBackend } from '../src/index.ts'
import { codeOf } from './code-of.ts'
import { headDim, kvHeads, layers, queryHeads } from './scene.ts'

const cache: AttentionConfig['cache'] = {
  kind: 'contiguous',
  shape: {
    layers,
    kvHeads,
    headDim,
    valueHeadDim: headDim,
    dtype: 'bfloat16',
    maxSequences: 4,
    maxLength: 1024,
  },
}
const config: AttentionConfig = { cache, queryHeads, dtype: 'bfloat16' }
const limits = { maxSequences: 4, maxTokens: 64, maxLength: 1024 }

test('options that are unknown or out of range are refused together', () => {
  const make = () => createCpuBackend({ threads: 0, thread: 2 } as object)
  expect(make).toThrow(ConfigurationError)
  expect(make).toThrow(/threads: an integer of 1 to 1024 required, found 0/)
  expect(make).toThrow(/thread is not an option \(did you mean threads\?\)/)
  expect(codeOf(make)).toBe('ERR_VATTENTION_INVALID_OPTIONS')
})

test('the backend says what it is', () => {
  using backend = createBackend()
  expect(backend).toBeInstanceOf(CpuBackend)
  expect(backend.name).toBe('cpu')
  expect(['AVX3', 'AVX2', 'SSE2', 'NEON']).toContain(backend.target)
  expect(typeof backend.native).toBe('object')
})

test('a configuration that cannot be served is refused with every reason', () => {
  using backend = createCpuBackend()
  const asked: AttentionConfig = {
    cache: { ...cache, shape: { ...cache.shape, headDim: 60, dtype: 'int32' } },
    queryHeads: 3,
    dtype: 'float8_e4m3',
  }
  expect(backend.validate(config)).toEqual([])
  expect(backend.validate(asked).map(({ code }) => code)).toEqual([
    'queryHeads',
    'headDim',
    'dtype',
    'kvDtype',
  ])
  expect(codeOf(() => backend.createPlan(asked, limits))).toBe('ERR_VATTENTION_BACKEND_UNSUPPORTED')
})

test('limits that cannot be used are refused with every reason', () => {
  using backend = createCpuBackend()
  const make = () =>
    backend.createPlan(config, {
      maxSequences: 0,
      maxTokens: 64,
      maxLength: 2 ** 40,
      graph: { sequences: 4, maxLength: 64 },
    })
  expect(codeOf(make)).toBe('ERR_VATTENTION_INVALID_OPTIONS')
  expect(make).toThrow(/maxSequences/)
  expect(make).toThrow(/maxLength/)
  expect(make).toThrow(/no CUDA graphs on the CPU/)
})

test('a disposed backend makes no plans and merges nothing, and its plans go on', () => {
  const backend = createCpuBackend()
  using plan = backend.createPlan(config, limits)
  backend.dispose()
  backend[Symbol.dispose]()
  expect(codeOf(() => backend.createPlan(config, limits))).toBe('ERR_VATTENTION_DISPOSED')
  const output = hostTensor('float32', [1, 1, 8])
  const lse = hostTensor('float32', [1, 1])
  const merge = () => backend.merge([{ output, lse }], { output })
  expect(merge).toThrow(StateError)
  expect(plan.workspaceBytes).toBeGreaterThan(0)
})

test('merge weighs by the LSE and may mix dtypes', () => {
  using backend = createCpuBackend()
  const first = { output: hostTensor('bfloat16', [1, 1, 8]), lse: hostTensor('float32', [1, 1]) }
  const second = { output: hostTensor('float32', [1, 1, 8]), lse: hostTensor('float32', [1, 1]) }
  write(first.output, new Float32Array(8).fill(1))
  write(second.output, new Float32Array(8).fill(5))
  write(second.lse, Float32Array.of(Math.log(3)))
  const output = hostTensor('float32', [1, 1, 8])
  const lse = hostTensor('float32', [1, 1])
  backend.merge([first, second], { output, lse })
  expect(read(output)[7]).toBeCloseTo(4, 6) // (1 * 1 + 3 * 5) / 4
  expect(read(lse)[0]).toBeCloseTo(Math.log(4), 6)
})
