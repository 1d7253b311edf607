import { ContiguousKvCache } from '@vattention/core'
import { CpuBackend } from '@vattention/cpu'
import {
  Engine,
  kvCacheShape,
  loadModel,
  randomModel,
  type EngineEvent,
  type LoadedModel,
} from '@vattention/engine'
import { cpu, type KvCache, type KvCacheShape } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

import { cacheBytes } from '../../harness/index.ts'
import type { NamedCache, NamedShape } from '../../suite/index.ts'
import { modelPath } from './default-model.ts'
import type { Candidate } from './candidates.ts'
import { modelText, type ModelText } from './model-text.ts'
import type { ServeOptions } from './serve-options.ts'

/** How a candidate is to serve. */
export interface ServedOptions {
  readonly limitBytes: number
  readonly maxSequences: number
  /** Tokens of the longest request. */
  readonly maxLength: number
  /** Tokens of a pass; absent: the engine's own. */
  readonly tokenBudget?: number
  readonly onEvent?: (event: EngineEvent) => void
}

/** An engine over a cache that nobody has used before. */
export interface Served extends AsyncDisposable {
  readonly engine: Engine
  readonly cache: KvCache
}

/** A model that engines are made over, one at a time. */
export interface ServedModel {
  readonly name: string
  /** How its matrices are kept, for people. */
  readonly weights: string
  readonly vocabularySize: number
  readonly contextLength: number
  /** Absent where the model has no tokenizer. */
  readonly text?: ModelText
  /** Keys and values of one token in all layers. */
  readonly tokenBytes: number
  /** Memory that one sequence of so many tokens takes, in whole pages or blocks. */
  sequenceBytes(cache: NamedCache, tokens: number): number
  /** A new engine and cache: nothing of an earlier one is in it. */
  open(candidate: Candidate, options: ServedOptions): Promise<Served>
  close(): void
}

/**
 * Loads the model that the options name.
 *
 * @throws Unavailable when it is not there
 */
export async function openServedModel(
  options: ServeOptions,
  signal: AbortSignal,
): Promise<ServedModel> {
  const { shape, threads } = options
  const model =
    shape === undefined
      ? await loadModel(modelPath(options.model), { signal })
      : await randomModel({ shape })
  return servedModel(model, threads)
}

/** Serves a model that is loaded; closing disposes it. */
export function servedModel(model: LoadedModel, threads: number | undefined): ServedModel {
  const { description, config } = model
  const { tokenizer } = model
  const withThreads = threads === undefined ? {} : { threads }
  return {
    name: model.name,
    weights: model.weights,
    vocabularySize: config.vocabularySize,
    contextLength: description.contextLength,
    ...(tokenizer && { text: modelText(tokenizer) }),
    tokenBytes: 2 * config.layers * config.kvHeads * config.headDim * 2,
    sequenceBytes: (cache, length) =>
      cacheBytes(cpu, { shape: shapeOf(model), cache, sequences: 1, length }),
    async open(candidate, { limitBytes, maxSequences, maxLength, tokenBudget, onEvent }) {
      const shapeOfCache = kvCacheShape(description, { maxSequences, maxLength })
      const cache = openNamedCache(candidate.cache, shapeOfCache, limitBytes)
      const backend = new CpuBackend(withThreads)
      const closeParts = () => {
        cache[Symbol.dispose]()
        backend[Symbol.dispose]()
      }
      try {
        const engine = await Engine.create({
          model,
          cache,
          backend,
          ...withThreads,
          maxSequences,
          ...(tokenBudget === undefined ? {} : { maxBatchTokens: tokenBudget }),
          prefixCaching: candidate.prefixSharing,
          ...(onEvent === undefined ? {} : { onEvent }),
        })
        const close = async () => {
          await engine.dispose()
          closeParts()
        }
        return { engine, cache, [Symbol.asyncDispose]: close }
      } catch (error) {
        closeParts()
        throw error
      }
    },
    close: () => model.dispose(),
  }
}

const shapeOf = ({ name, config }: LoadedModel): NamedShape => {
  const { layers, queryHeads, kvHeads, headDim } = config
  return { name, layers, queryHeads, kvHeads, headDim, dtype: 'float16' }
}

/** A cache in the machine's memory, by its name. */
export function openNamedCache(
  cache: NamedCache,
  shape: KvCacheShape,
  limitBytes: number,
): KvCache {
  if (cache.kind === 'paged') {
    const { blockTokens, poolLayout } = cache
    return new PagedKvCache({ ...shape, limitBytes, blockTokens, poolLayout })
  }
  const { layout, pageBytes } = cache
  return new ContiguousKvCache({
    ...shape,
    limitBytes,
    layout,
    ...(pageBytes === undefined ? {} : { pageBytes: [pageBytes] }),
  })
}
