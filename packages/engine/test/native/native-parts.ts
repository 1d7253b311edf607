/** A small random model, caches and passes at the level of the addon. */
import { ContiguousKvCache } from '@vattention/core'
import { CpuBackend } from '@vattention/cpu'
import { cpu, type KvCache, type KvCacheShape, type Sequence } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'
import { onTestFinished } from 'vitest'

import { engineAddon } from '../../src/addon.ts'
import type {
  ForwardBatch,
  ForwardResult,
  NativeModel,
  NativeModelConfig,
  NativeRunner,
  NativeRunnerOptions,
  RowSampling,
} from '../../src/native.ts'

/** 2 layers, 4 query heads over 2 KV heads of 16, a vocabulary of 200. */
export const smallConfig: NativeModelConfig = {
  layers: 2,
  hiddenSize: 64,
  feedForwardSize: 128,
  queryHeads: 4,
  kvHeads: 2,
  headDim: 16,
  vocabularySize: 200,
  normEpsilon: 1e-5,
  ropeBase: 10_000,
  ropeDims: 16,
  ropeStyle: 'interleaved',
  ropeScale: 1,
  tiedEmbeddings: true,
  weights: 'auto',
}

export async function randomNativeModel(
  config: Partial<NativeModelConfig> = {},
): Promise<NativeModel> {
  const model = engineAddon().createModel({ ...smallConfig, ...config })
  onTestFinished(() => model.dispose())
  await model.fill(1)
  if (model.finish().length > 0) throw new Error('fill leaves nothing out')
  return model
}

export function smallCache(
  kind: 'contiguous' | 'paged',
  shape: Partial<KvCacheShape> = {},
): KvCache {
  const options = {
    device: cpu,
    layers: smallConfig.layers,
    kvHeads: smallConfig.kvHeads,
    headDim: smallConfig.headDim,
    valueHeadDim: smallConfig.headDim,
    dtype: 'float16',
    maxSequences: 8,
    maxLength: 256,
    limitBytes: 16 * 2 ** 20,
    ...shape,
  } as const
  const cache = kind === 'paged' ? new PagedKvCache(options) : new ContiguousKvCache({ ...options })
  onTestFinished(() => cache[Symbol.dispose]())
  return cache
}

let backend: CpuBackend | undefined
export const cpuBackend = (): CpuBackend => (backend ??= new CpuBackend())

export function makeRunner(
  model: NativeModel,
  cache: KvCache,
  options: Partial<NativeRunnerOptions> = {},
): NativeRunner {
  const runner = engineAddon().createRunner({
    model,
    cache: cache.native!,
    backend: cpuBackend().native,
    threads: 2,
    maxSequences: 8,
    maxTokens: 128,
    maxLength: 256,
    window: 0,
    softCap: 0,
    ...options,
  })
  onTestFinished(() => runner.dispose())
  return runner
}

export const greedy: RowSampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 0,
  step: 0,
  history: new Uint32Array(),
  historyPrompt: 0,
  topLogprobs: 0,
  biasTokens: new Uint32Array(),
  biases: new Float32Array(),
}

/** A sequence's new tokens and its length after the pass. */
export interface Piece {
  readonly sequence: Sequence
  readonly tokens: readonly number[]
  readonly length: number
}

/** A pass over `pieces` that asks for the last row of each. */
export function batchOf(
  pieces: readonly Piece[],
  sampling: Partial<RowSampling> = {},
): ForwardBatch {
  let rows = 0
  const logitRows = pieces.map(({ tokens }) => (rows += tokens.length) - 1)
  return {
    sequences: Uint32Array.from(pieces, ({ sequence }) => sequence),
    queryLengths: Uint32Array.from(pieces, ({ tokens }) => tokens.length),
    kvLengths: Uint32Array.from(pieces, ({ length }) => length),
    tokens: Int32Array.from(pieces.flatMap(({ tokens }) => tokens)),
    logitRows: Uint32Array.from(logitRows),
    sampling: pieces.map(() => ({ ...greedy, ...sampling })),
  }
}

/** Steps the cache and runs. */
export async function run(
  cache: KvCache,
  runner: NativeRunner,
  pieces: readonly Piece[],
  sampling?: Partial<RowSampling>,
): Promise<ForwardResult> {
  const batch = batchOf(pieces, sampling)
  const step = cache.step(batch.sequences, batch.kvLengths)
  if (step.status !== 'ok') throw new Error('the cache is too small for this test')
  return runner.forward(batch)
}

export function allocate(cache: KvCache): Sequence {
  return cache.allocate()!.sequence
}
