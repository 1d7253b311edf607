import { expect, test } from 'vitest'
import {
  checkMerge,
  checkRun,
  cpu,
  denseStrides,
  slice,
  spanBytes,
  type ConfigurationError,
  type Tensor,
} from '../src/index.ts'
import { answering } from './support.ts'

const tensor = (shape: number[], changes: Partial<Tensor> = {}): Tensor => ({
  data: 4096n,
  dtype: 'bfloat16',
  shape,
  strides: denseStrides(shape),
  device: cpu,
  ...changes,
})

const expected = {
  layers: 2,
  tokens: 3,
  queryHeads: 4,
  kvHeads: 2,
  headDim: 64,
  valueHeadDim: 32,
  dtype: 'bfloat16',
  device: cpu,
} as const

const good = {
  layer: 1,
  query: tensor([3, 4, 64]),
  key: tensor([3, 2, 64]),
  value: tensor([3, 2, 32]),
  output: tensor([3, 4, 32]),
  lse: tensor([3, 4], { dtype: 'float32' }),
}

function reasons(run: () => void): string[] {
  try {
    run()
    return []
  } catch (error) {
    expect((error as ConfigurationError).code).toBe('ERR_VATTENTION_INVALID_TENSOR')
    return (error as ConfigurationError).reasons.map(({ message }) => message)
  }
}

test('fitting tensors pass, strided ones too', () => {
  expect(() => checkRun('run', good, expected)).not.toThrow()
  expect(() =>
    checkRun('run', { ...good, query: tensor([3, 4, 64], { strides: [1000, 64, 1] }) }, expected),
  ).not.toThrow()
  expect(() =>
    checkRun('append', { layer: 0, key: good.key, value: good.value }, expected),
  ).not.toThrow()
})

test('all that is wrong is told at once', () => {
  const found = reasons(() =>
    checkRun(
      'run',
      {
        layer: 2,
        query: tensor([3, 4, 32], { dtype: 'float32' }),
        key: good.key,
        output: tensor([3, 4, 32], { device: { type: 'cuda', index: 1 }, strides: [256, 64, 2] }),
        lse: tensor([3, 4]),
      },
      expected,
    ),
  )
  expect(found).toEqual([
    'layer 0..1 required, found 2',
    'query: shape [3, 4, 64] required, found [3, 4, 32]',
    'query: dtype bfloat16 required, found float32',
    'output: device cpu required, found cuda:1',
    'output: strides a last stride of 1 required, found [256, 64, 2]',
    'key and value go together',
    'lse: dtype float32 required, found bfloat16',
  ])
})

test('missing tensors, addresses and fractional strides are refused', () => {
  expect(reasons(() => checkRun('run', { layer: 0 }, expected))).toEqual([
    'query is required',
    'output is required',
  ])
  expect(reasons(() => checkRun('append', { layer: 0 }, expected))).toEqual([
    'key and value go together',
  ])
  expect(
    reasons(() => checkRun('run', { ...good, query: tensor([3, 4, 64], { data: 0n }) }, expected)),
  ).toHaveLength(1)
  expect(
    reasons(() =>
      checkRun('run', { ...good, query: tensor([3, 4, 64], { strides: [256, 1.5, 1] }) }, expected),
    ),
  ).toHaveLength(1)
})

test('merge wants partials of the output’s shape and float32 LSE', () => {
  const backend = answering('any')
  const output = tensor([3, 4, 32])
  const lse = tensor([3, 4], { dtype: 'float32' })
  expect(reasons(() => checkMerge(backend, [{ output, lse }], { output, lse }))).toEqual([])
  expect(reasons(() => checkMerge(backend, [], { output }))).toEqual([
    'at least one partial is required',
  ])
  expect(
    reasons(() => checkMerge(backend, [{ output: tensor([3, 4, 64]), lse: output }], { output })),
  ).toHaveLength(3)
})

test('slices and spans follow strides', () => {
  const strided = tensor([4, 2, 8], { strides: [100, 8, 1] })
  expect(spanBytes(strided)).toBe((3 * 100 + 8 + 7 + 1) * 2)
  expect(slice(strided, 1, 3)).toMatchObject({ data: 4096n + 200n, shape: [2, 2, 8] })
  expect(() => slice(strided, 3, 5)).toThrow(/inside 0..4/)
})
