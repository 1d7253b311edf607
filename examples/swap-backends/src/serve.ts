/** The serving loop. It knows neither which cache it serves from nor which backend attends. */
import { attentionConfig, kvCacheShape } from '@vattention/engine'
import { selectBackend, type DType, type Rejected } from '@vattention/interface'

import { backendMakers } from './backends.ts'
import { openCache } from './caches.ts'
import type { ServedModel } from './model.ts'
import { openEngine } from './open-engine.ts'
import { requests } from './requests.ts'

/** What is swapped. */
export interface Combination {
  /** See `openCache`. */
  readonly cache: string
  /** A name of `backendMakers`. Left out: the first that can serve. */
  readonly backend?: string
  /** Of keys and values. */
  readonly kvDtype: DType
}

/** An answer of the model. */
export interface Answer {
  readonly tokens: readonly number[]
  /** Empty without a tokenizer. */
  readonly text: string
  /** The smallest difference between the two best logits: how close a greedy choice was. */
  readonly margin: number
}

/** What a combination served. */
export interface Served {
  /** The backend that was chosen. */
  readonly backend: string
  /** Those before it in the order, and why they could not serve. */
  readonly rejected: readonly Rejected[]
  readonly answers: readonly Answer[]
}

const maxSequences = 8
const maxLength = 256

/**
 * Serves a handful of requests at the same time from one combination of cache and backend.
 * @throws `ERR_VATTENTION_BACKEND_UNSUPPORTED`, `ERR_VATTENTION_NO_BACKEND` and
 * `ERR_VATTENTION_ENGINE_UNSUPPORTED` with all reasons, when the combination cannot be.
 */
export async function serve(
  model: ServedModel,
  combination: Combination,
  maxTokens: number,
): Promise<Served> {
  const { description } = model.loaded
  const shape = kvCacheShape(description, { maxSequences, maxLength, dtype: combination.kvDtype })
  using cache = openCache(combination.cache, shape)
  const candidates = Object.values(backendMakers).map((make) => make())
  try {
    const { backend: name } = combination
    const { backend, rejected } = selectBackend(
      attentionConfig(model.loaded, cache),
      candidates,
      name === undefined ? {} : { name },
    )
    await using engine = await openEngine(model, cache, backend)
    const generations = requests(model, maxTokens).map((request) => engine.generate(request))
    const results = await Promise.all(generations.map(({ result }) => result))
    const answers = results.map(({ tokens, text, logprobs }) => ({
      tokens: [...tokens],
      text,
      margin: Math.min(...logprobs!.map(({ margin }) => margin)),
    }))
    return { backend: backend.name, rejected, answers }
  } finally {
    for (const candidate of candidates) candidate[Symbol.dispose]()
  }
}
