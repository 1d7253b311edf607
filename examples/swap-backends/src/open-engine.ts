/** An engine for any backend: who computes the model depends on whether the backend is native. */
import { Engine } from '@vattention/engine'
import type { AttentionBackend, KvCache } from '@vattention/interface'

import type { ServedModel } from './model.ts'
import { OwnRunner } from './own-runner/own-runner.ts'

/** Most tokens of a pass: prompts beyond it are computed in chunks. */
const maxBatchTokens = 64

/**
 * The engine's own model runner computes on a native thread, which cannot call JavaScript: it takes
 * backends with a native part. For others there is the runner of this example, if it can read the
 * weights. Scheduling, prefix sharing and delivery are the engine's in both cases.
 *
 * @throws `ERR_VATTENTION_ENGINE_UNSUPPORTED` with everything that does not fit.
 */
export async function openEngine(
  { loaded, weights }: ServedModel,
  cache: KvCache,
  backend: AttentionBackend,
): Promise<Engine> {
  if (backend.native || !weights) {
    return Engine.create({ model: loaded, cache, backend, maxBatchTokens })
  }
  const { description, name, config, tokenizer } = loaded
  const { contextLength, window } = description
  return new Engine({
    runner: new OwnRunner({ description, weights: weights(), cache, backend, maxBatchTokens }),
    cache,
    name,
    contextLength,
    vocabularySize: config.vocabularySize,
    maxBatchTokens,
    ...(window === undefined ? {} : { window }),
    ...(tokenizer ? { tokenizer } : {}),
  })
}
