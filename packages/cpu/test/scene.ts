/** A small cache of either kind with one sequence of 40 tokens, a plan, and tensors for a pass over it. */
import { ContiguousKvCache, hostTensor, write, type HostTensor } from '@vattention/core'
import type {
  AttentionBatch,
  AttentionConfig,
  DType,
  KvCache,
  RunArguments,
  Sequence,
} from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

import { createCpuBackend, type CpuBackend, type CpuPlan } from '../src/index.ts'

export const layers = 2
export const kvHeads = 2
export const queryHeads = 4
export const headDim = 64
export const tokens = 40

export interface Scene extends Disposable {
  readonly backend: CpuBackend
  readonly cache: KvCache
  readonly sequence: Sequence
  readonly plan: CpuPlan
  readonly batch: AttentionBatch
  readonly args: RunArguments & { readonly lse: HostTensor; readonly output: HostTensor }
}

export type Kind = KvCache['kind']
export const kinds: readonly Kind[] = ['contiguous', 'paged']

export interface SceneOptions {
  readonly kind?: Kind
  readonly dtype?: DType
  readonly config?: Partial<AttentionConfig>
  readonly threads?: number
}

export function makeCache(kind: Kind, dtype: DType = 'float32'): KvCache {
  const options = {
    layers,
    kvHeads,
    headDim,
    dtype,
    maxSequences: 4,
    maxLength: 4096,
    limitBytes: 32 * 2 ** 20,
  }
  return kind === 'paged' ? new PagedKvCache(options) : new ContiguousKvCache(options)
}

/** A tensor of numbers between -1 and 1 that depend on their place only. */
export function noise(dtype: DType, shape: readonly number[], seed: number): HostTensor {
  const tensor = hostTensor(dtype, shape)
  const count = shape.reduce((product, size) => product * size, 1)
  write(
    tensor,
    Float32Array.from({ length: count }, (_, i) => Math.sin((i + 1) * 12.9898 + seed)),
  )
  return tensor
}

export function makeScene({
  kind = 'contiguous',
  dtype = 'float32',
  config = {},
  threads = 2,
}: SceneOptions = {}): Scene {
  const backend = createCpuBackend({ threads })
  const cache = makeCache(kind, dtype)
  const plan = backend.createPlan(
    { cache, queryHeads, dtype, needsLse: true, ...config },
    { maxSequences: 4, maxTokens: 64, maxLength: 4096 },
  )
  const { sequence } = cache.allocate()!
  const sequences = Uint32Array.of(sequence)
  const lengths = Uint32Array.of(tokens)
  cache.step(sequences, lengths)
  return {
    backend,
    cache,
    sequence,
    plan,
    batch: { cache, sequences, queryLengths: lengths, kvLengths: lengths },
    args: {
      layer: 1,
      query: noise(dtype, [tokens, queryHeads, headDim], 1),
      key: noise(dtype, [tokens, kvHeads, headDim], 2),
      value: noise(dtype, [tokens, kvHeads, headDim], 3),
      output: hostTensor(dtype, [tokens, queryHeads, headDim]),
      lse: hostTensor('float32', [tokens, queryHeads]),
    },
    [Symbol.dispose]() {
      plan[Symbol.dispose]()
      backend[Symbol.dispose]()
      cache[Symbol.dispose]()
    },
  }
}
