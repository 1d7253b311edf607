/** The native model runner, made for one model, cache and backend. */
import {
  type AttentionBackend,
  type AttentionConfig,
  type KvCache,
  type Reason,
} from '@vattention/interface'

import { callNative, callNativeAsync } from '../../../../native/node/native-error.ts'
import { engineAddon } from '../addon.ts'
import type { LoadedModel } from '../model/loaded-model.ts'
import type { ForwardBatch, ForwardResult, NativeRunner } from '../native.ts'
import { engineErrors } from '../errors.ts'
import type { ForwardRunner } from './runner.ts'

/** What a native runner is made of. */
export interface NativeRunnerParts {
  readonly model: LoadedModel
  readonly cache: KvCache
  readonly backend: AttentionBackend
  readonly threads: number
  readonly maxSequences: number
  readonly maxTokens: number
  readonly maxLength: number
}

/** Runs passes on a native thread of its own. */
export class NativeForwardRunner implements ForwardRunner {
  readonly #native: NativeRunner

  /** @throws `ERR_VATTENTION_ENGINE_UNSUPPORTED` with everything that does not fit. */
  constructor({ model, cache, backend, ...limits }: NativeRunnerParts) {
    const reasons = runnerReasons(model, cache, backend)
    if (reasons.length > 0) throw engineErrors.engineUnsupported(reasons)
    this.#native = callNative(() =>
      engineAddon().createRunner({
        model: model.native,
        cache: cache.native!,
        backend: backend.native!,
        window: model.description.window ?? 0,
        softCap: 0,
        ...limits,
      }),
    )
  }

  get workspaceBytes(): number {
    return this.#native.workspaceBytes
  }

  forward(batch: ForwardBatch): Promise<ForwardResult> {
    return callNativeAsync(() => this.#native.forward(batch))
  }

  dispose(): void {
    callNative(() => this.#native.dispose())
  }
}

/** The attention that a model asks of a backend. */
export function attentionConfig(
  { description }: Pick<LoadedModel, 'description'>,
  cache: AttentionConfig['cache'],
): AttentionConfig {
  const { config, window } = description
  return {
    cache,
    queryHeads: config.queryHeads,
    dtype: 'float32', // of the runner's activations
    causal: true,
    batchInvariant: true,
    ...(window === undefined ? {} : { window }),
  }
}

/** Everything about model, cache and backend that does not fit. */
function runnerReasons(model: LoadedModel, cache: KvCache, backend: AttentionBackend): Reason[] {
  const reasons: Reason[] = []
  const { config } = model
  const need = (code: string, expected: unknown, found: unknown) => {
    if (expected === found) return
    reasons.push({
      code,
      message: `a cache with ${code} ${String(expected)} required, found ${String(found)}`,
      expected: String(expected),
      found: String(found),
    })
  }
  need('layers', config.layers, cache.shape.layers)
  need('kvHeads', config.kvHeads, cache.shape.kvHeads)
  need('headDim', config.headDim, cache.shape.headDim)
  need('valueHeadDim', config.headDim, cache.shape.valueHeadDim)
  for (const [code, object, name] of [
    ['cache.native', cache.native, `the ${cache.kind} cache`],
    ['backend.native', backend.native, `the backend ${backend.name}`],
  ] as const) {
    if (object !== undefined) continue
    reasons.push({
      code,
      message: `${name} has no native part, so the model runner cannot call it from its own thread`,
      expected: 'a type-tagged external',
      found: 'nothing',
    })
  }
  return [...reasons, ...backend.validate(attentionConfig(model, cache))]
}
