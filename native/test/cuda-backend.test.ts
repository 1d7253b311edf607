import {
  VattentionError,
  type AttentionConfig,
  type CacheDescription,
  type Device,
  type KvCache,
  type Tensor,
} from '@vattention/interface'
import { expect, test } from 'vitest'

import type { NativeConfig } from '../node/attention/backend-addon.ts'
import { defaultBuild, type BuiltKernels } from '../node/attention/built-kernels.ts'
import type { CudaAddon, CudaDevices } from '../node/attention/cuda-addon.ts'
import { CudaBackend, type CudaBackendOptions } from '../node/attention/cuda-backend.ts'
import { cudaCapabilities } from '../node/attention/cuda-capabilities.ts'

const hopper = {
  name: 'NVIDIA H200',
  computeCapability: '9.0',
  memoryBytes: 150e9,
  multiprocessors: 132,
}
const ampere = {
  name: 'NVIDIA A10',
  computeCapability: '8.6',
  memoryBytes: 24e9,
  multiprocessors: 72,
}
const machine: CudaDevices = { driver: '13.0', runtime: '13.0', devices: [hopper, ampere] }

/** What a plan was made with, and what was called. */
class Calls {
  config: NativeConfig | undefined
  readonly merged: unknown[][] = []
}

/** An addon as JavaScript sees one, on a machine of the test's choice. */
function addonOn(devices: CudaDevices, built: BuiltKernels, calls = new Calls()): CudaAddon {
  return {
    backend: {},
    built: JSON.stringify(built),
    devices: () => JSON.stringify(devices),
    merge: (...args) => calls.merged.push(args),
    Plan: class {
      constructor(config: NativeConfig) {
        calls.config = config
      }
      prepare = () => undefined
      prepareRows = () => undefined
      run = () => undefined
      append = () => undefined
      workspaceBytes = () => 1024
      destroy = () => undefined
    },
  }
}

class TestBackend extends CudaBackend {
  constructor(options: CudaBackendOptions, addon: CudaAddon, archs?: readonly string[]) {
    const traits = {
      name: 'test-backend',
      addon,
      archs: (built: BuiltKernels) => archs ?? built.archs,
      capabilities: (built: BuiltKernels) => ({
        ...cudaCapabilities(built, archs ?? built.archs, [64, 128, 256], ['bfloat16', 'float16']),
        cacheKinds: ['contiguous', 'paged'] as const,
        poolLayouts: ['nhd'] as const,
        blockTokens: 'any' as const,
        ...{ nonCausal: true, slidingWindow: true, softCap: built.softCap, alibi: true, lse: true },
        batchInvariant: 'onRequest' as const,
        leadRows: 0,
      }),
    }
    super(traits, options)
  }
}

const cuda = (index: number): Device => ({ type: 'cuda', index })
const make = (
  options: CudaBackendOptions = {},
  devices: CudaDevices = machine,
  built: BuiltKernels = defaultBuild,
) => new TestBackend(options, addonOn(devices, built))

const description: CacheDescription = {
  kind: 'contiguous',
  shape: {
    ...{ layers: 2, kvHeads: 4, headDim: 128, valueHeadDim: 128, dtype: 'bfloat16' },
    ...{ maxSequences: 8, maxLength: 4096 },
  },
}
const config: AttentionConfig = { cache: description, queryHeads: 16, dtype: 'bfloat16' }
const limits = { maxSequences: 8, maxTokens: 64, maxLength: 4096 }

/** Queries or outputs of `config`. */
const queryTensor = (tokens: number): Tensor => ({
  data: 4096n,
  dtype: 'bfloat16',
  shape: [tokens, 16, 128],
  strides: [16 * 128, 128, 1],
  device: cuda(0),
})

function errorOf(action: () => unknown): VattentionError {
  try {
    action()
  } catch (error) {
    if (error instanceof VattentionError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test('options that are unknown or no CUDA device are refused together', () => {
  const error = errorOf(() => make({ device: { type: 'cpu' }, stream: 1 } as never))
  expect(error.code).toBe('ERR_VATTENTION_INVALID_OPTIONS')
  expect(error.message).toMatch(/device: \{ type: 'cuda'[^]*stream is not an option/)
})

test('without a driver or a GPU the reason is told in words', () => {
  const failed = { call: 'cudaGetDeviceCount', code: 35, reason: 'no NVIDIA driver is installed' }
  const error = errorOf(() => make({}, { driver: '', runtime: '13.0', devices: [], failed }))
  expect(error).toMatchObject({
    code: 'ERR_VATTENTION_BACKEND_UNAVAILABLE',
    driverCall: 'cudaGetDeviceCount',
    driverCode: 35,
    message: 'test-backend is not available here: no NVIDIA driver is installed',
  })
})

test('a GPU that is not there is named beside those that are', () => {
  const error = errorOf(() => make({ device: cuda(2) }))
  expect(error.code).toBe('ERR_VATTENTION_BACKEND_UNAVAILABLE')
  expect(error.message).toMatch(/there is no cuda:2, only cuda:0, cuda:1/)
})

test('capabilities follow from what was built', () => {
  using backend = make({}, machine, {
    archs: ['80'],
    headDims: [96, 128],
    dtypes: ['float16'],
    softCap: true,
    fp8: true,
  })
  expect(backend.capabilities).toMatchObject({
    computeCapabilities: ['8.0'],
    dtypes: ['float16'],
    kvDtypes: [
      ['float16', 'float16'],
      ['float16', 'float8_e4m3'],
    ],
    headDims: [128],
    softCap: true,
  })
})

test.each([
  ['90a', hopper, true],
  ['80', hopper, false],
  ['80', ampere, true],
  ['86', ampere, true],
  ['89', ampere, false],
  ['90a', ampere, false],
])('kernels for %s on a GPU of %o: %s', (arch, device, serves) => {
  const devices = { ...machine, devices: [device] }
  using backend = make({}, devices, { ...defaultBuild, archs: [arch] })
  const codes = backend.validate(config).map(({ code }) => code)
  expect(codes).toEqual(serves ? [] : ['computeCapability'])
})

test('a backend without kernels in the build says so', () => {
  using backend = new TestBackend({}, addonOn(machine, defaultBuild), [])
  expect(backend.validate(config)[0]?.message).toMatch(/none that was built required, found 9.0/)
})

test('a cache on another GPU is refused', () => {
  using backend = make({ device: cuda(1) }, machine, { ...defaultBuild, archs: ['80'] })
  const view = { kind: 'contiguous', layers: [], tailRows: 0, slots: () => undefined }
  const cache = { ...description, device: cuda(0), view: () => view } as unknown as KvCache
  expect(backend.validate({ ...config, cache })).toEqual([
    {
      code: 'device',
      message: 'a cache on cuda:1 required, found cuda:0',
      expected: 'cuda:1',
      found: 'cuda:0',
    },
  ])
})

test('limits of a graph reach the plan, and must be within those of the plan', () => {
  const calls = new Calls()
  using backend = new TestBackend({ device: cuda(0) }, addonOn(machine, defaultBuild, calls))
  backend.createPlan(config, { ...limits, graph: { sequences: 4, maxLength: 2048 } })
  expect(calls.config).toMatchObject({
    graphSequences: 4,
    graphMaxLength: 2048,
    deviceIndex: 0,
    batchInvariant: false,
  })
  for (const graph of [
    { sequences: 9, maxLength: 64 },
    { sequences: 8, maxLength: 4097 },
    { sequences: 0, maxLength: 64 },
    { sequences: 8 },
    { sequences: 8, maxLength: 64, length: 1 },
    true,
  ]) {
    const error = errorOf(() => backend.createPlan(config, { ...limits, graph } as never))
    expect(error.code).toBe('ERR_VATTENTION_INVALID_OPTIONS')
    expect(error.message).toMatch(/graph: \{ sequences: 1 to 8, maxLength: 1 to 4096 \} required/)
  }
})

test('scales of a float8 cache are checked and reach the plan', () => {
  const calls = new Calls()
  const built = { ...defaultBuild, fp8: true }
  using backend = new TestBackend({}, addonOn(machine, built, calls))
  const shape = { ...description.shape, dtype: 'float8_e4m3' as const }
  const fp8: AttentionConfig = { ...config, cache: { ...description, shape } }
  const scale = (shape: readonly number[], change: Partial<Tensor> = {}): Tensor => ({
    data: 4096n,
    dtype: 'float32',
    shape,
    strides: [shape[1]!, 1],
    device: cuda(0),
    ...change,
  })
  const good = { key: scale([1, 4]), value: scale([8, 4]) }
  expect(backend.validate(fp8).map(({ code }) => code)).toEqual(['fp8Scales'])
  backend.createPlan({ ...fp8, fp8Scales: good }, limits)
  const { scales } = calls.config!
  const length = scales!.length / 3
  expect(scales![4]).toBe(0) // no scale of queries
  expect(Array.from(scales!.subarray(length, length + 7))).toEqual([4096, 0, 2, 0, 2, 1, 4])
  expect(Array.from(scales!.subarray(2 * length + 4, 2 * length + 7))).toEqual([2, 8, 4])
  const bad = { key: scale([2, 4]), value: scale([1, 4], { device: { type: 'cpu' } }) }
  const error = errorOf(() => backend.createPlan({ ...fp8, fp8Scales: bad }, limits))
  expect(error.code).toBe('ERR_VATTENTION_INVALID_TENSOR')
  expect(error.message).toMatch(/key: shape \[8, 4\][^]*value: device cuda:0 required, found cpu/)
})

test('merge is told the device and the stream, and refuses streams of others', () => {
  const calls = new Calls()
  using backend = new TestBackend({ device: cuda(0) }, addonOn(machine, defaultBuild, calls))
  const tensor = (dtype: Tensor['dtype'], shape: readonly number[]): Tensor => ({
    data: 4096n,
    dtype,
    shape,
    strides: shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1)),
    device: cuda(0),
  })
  const output = tensor('bfloat16', [1, 2, 64])
  const lse = tensor('float32', [1, 2])
  backend.merge([{ output, lse }], { output }, { device: cuda(0), handle: 77n })
  backend.merge([{ output, lse }], { output })
  expect(calls.merged.map(([, ...rest]) => rest)).toEqual([
    [1, 0, 77n],
    [1, 0, 0n],
  ])
  const elsewhere = () =>
    backend.merge([{ output, lse }], { output }, { device: cuda(1), handle: 0n })
  expect(errorOf(elsewhere).code).toBe('ERR_VATTENTION_INVALID_ARGUMENT')
})

test('the tensors of a plan to be captured have the rows of its whole batch', () => {
  using backend = make()
  const graph = { sequences: 4, maxLength: 2048 }
  using plan = backend.createPlan(config, { ...limits, graph })
  const cache = { native: {}, device: cuda(0) } as unknown as KvCache
  const three = Uint32Array.of(1, 1, 1)
  plan.prepare({ cache, sequences: three, queryLengths: three, kvLengths: three })
  const rows = (count: number) => ({
    layer: 0,
    query: queryTensor(count),
    output: queryTensor(count),
  })
  plan.run(rows(4))
  expect(errorOf(() => plan.run(rows(3))).message).toMatch(/query: shape \[4, 16, 128\] required/)
  const five = new Uint32Array(5).fill(1)
  const tooMany = { cache, sequences: five, queryLengths: five, kvLengths: five }
  expect(errorOf(() => plan.prepare(tooMany)).message).toMatch(/at most 4 sequences/)
})

test('what only the addon finds wrong with a tensor is told as such', () => {
  const addon = addonOn(machine, defaultBuild)
  const Plan = class extends addon.Plan {
    override run = () => {
      throw Object.assign(new Error('query: an address that is a multiple of 16 required'), {
        code: 'ERR_VATTENTION_INVALID_ARGUMENT',
        status: 1,
      })
    }
  }
  using backend = new TestBackend({}, { ...addon, Plan })
  using plan = backend.createPlan(config, limits)
  const cache = { native: {}, device: cuda(0) } as unknown as KvCache
  const one = Uint32Array.of(1)
  plan.prepare({ cache, sequences: one, queryLengths: one, kvLengths: one })
  const error = errorOf(() => plan.run({ layer: 0, query: queryTensor(1), output: queryTensor(1) }))
  expect(error.code).toBe('ERR_VATTENTION_INVALID_TENSOR')
  expect(error.message).toMatch(/run cannot be used:[^]*a multiple of 16 required/)
})

test('runAsync of a plan on a GPU resolves when its work is enqueued', async () => {
  const calls: string[] = []
  const addon = addonOn(machine, defaultBuild)
  const Plan = class extends addon.Plan {
    override run = () => {
      calls.push('run')
    }
  }
  using backend = new TestBackend({}, { ...addon, Plan })
  using plan = backend.createPlan(config, limits)
  const cache = { native: {}, device: cuda(0) } as unknown as KvCache
  const one = Uint32Array.of(1)
  plan.prepare({ cache, sequences: one, queryLengths: one, kvLengths: one })
  const args = { layer: 0, query: queryTensor(1), output: queryTensor(1) }
  await plan.runAsync(args)
  expect(calls).toEqual(['run'])
  const elsewhere = { ...args.query, device: cuda(1) }
  await expect(plan.runAsync({ ...args, query: elsewhere })).rejects.toMatchObject({
    code: 'ERR_VATTENTION_INVALID_TENSOR',
  })
  const device = { type: 'cpu' } as const
  const onCpu = () =>
    plan.prepare({
      cache,
      sequences: one,
      queryLengths: one,
      kvLengths: one,
      stream: { device, handle: 0n },
    })
  expect(errorOf(onCpu).message).toMatch(/a cache and a stream of the device cuda:0/)
})
