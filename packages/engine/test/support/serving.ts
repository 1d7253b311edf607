/** Engines over real caches and the CPU backend, for tests. */
import { ContiguousKvCache } from '@vattention/core'
import { CpuBackend } from '@vattention/cpu'
import type { DType, KvCache, Layout } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

import { Engine } from '../../src/engine/engine.ts'
import type { EngineLimits } from '../../src/engine/engine-options.ts'
import type { EngineEvent } from '../../src/engine/event.ts'
import { kvCacheShape } from '../../src/model/cache-shape.ts'
import type { LoadedModel } from '../../src/model/loaded-model.ts'

/** Both kinds of cache. */
export const cacheKinds = ['contiguous', 'paged'] as const

/** One of them. */
export type CacheKind = (typeof cacheKinds)[number]

/** How requests are served. */
export interface ServingOptions extends EngineLimits {
  readonly model: LoadedModel
  /** Defaults to `contiguous`. */
  readonly kind?: CacheKind
  /** Defaults to 256 MiB. */
  readonly limitBytes?: number
  /** Slots of the cache. Defaults to 32. */
  readonly slots?: number
  /** Tokens of the cache's longest sequence. Defaults to the model's, at most 1024. */
  readonly length?: number
  readonly dtype?: DType
  /** Of the contiguous cache. */
  readonly layout?: Layout
  /** Defaults to `2`. */
  readonly threads?: number
}

/** An engine with all that belongs to it. */
export interface Serving extends AsyncDisposable {
  readonly engine: Engine
  readonly cache: KvCache
  readonly events: EngineEvent[]
}

/** Makes one. */
export async function serve(options: ServingOptions): Promise<Serving> {
  const {
    model,
    kind = 'contiguous',
    limitBytes = 256 * 2 ** 20,
    slots = 32,
    length,
    dtype,
    layout,
    ...rest
  } = options
  const { valueHeadDim: _, ...shape } = kvCacheShape(model.description, {
    maxSequences: slots,
    maxLength: length ?? Math.min(1024, model.description.contextLength),
    ...(dtype ? { dtype } : {}),
  })
  const cache: KvCache =
    kind === 'paged'
      ? new PagedKvCache({ ...shape, limitBytes })
      : new ContiguousKvCache({ ...shape, limitBytes, ...(layout ? { layout } : {}) })
  const backend = new CpuBackend()
  const events: EngineEvent[] = []
  try {
    const engine = await Engine.create({
      ...rest,
      model,
      cache,
      backend,
      threads: options.threads ?? 2,
      onEvent: (event) => events.push(event),
    })
    return {
      engine,
      cache,
      events,
      async [Symbol.asyncDispose]() {
        await engine.dispose()
        cache[Symbol.dispose]()
        backend[Symbol.dispose]()
      },
    }
  } catch (error) {
    cache[Symbol.dispose]()
    backend[Symbol.dispose]()
    throw error
  }
}
