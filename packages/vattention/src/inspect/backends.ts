import { attentionConfig, type ModelDescription } from '@vattention/engine'
import {
  blockSizes,
  sizeAllowed,
  type AttentionBackend,
  type AttentionConfig,
  type CacheDescription,
  type Capabilities,
  type KvCacheShape,
  type Reason,
} from '@vattention/interface'

import { openBackends } from '../backends.ts'

/** A backend on this machine, and whether it could serve a model. */
export type BackendReport = { readonly name: string; readonly package: string } & (
  | { readonly available: false; readonly reason: string }
  | {
      readonly available: true
      readonly capabilities: Capabilities
      /** Without a model absent; else every reason against it, by cache kind. */
      readonly serves?: Readonly<Record<'contiguous' | 'paged', Answer>>
    }
)

/** Whether a backend serves a model from a kind of cache. */
export interface Answer {
  readonly cache: CacheDescription
  readonly reasons: readonly Reason[]
}

/** What to ask the backends about. */
export interface BackendQuestion {
  readonly description: ModelDescription
  readonly shape: KvCacheShape
}

/** Opens every backend, asks, and closes it. */
export async function readBackends(question?: BackendQuestion): Promise<BackendReport[]> {
  const opened = await openBackends()
  return opened.map((found): BackendReport => {
    const { name, package: from } = found
    if (!('backend' in found)) {
      const reason = found.unavailable.replace(`${name} is not available here: `, '')
      return { name, package: from, available: false, reason }
    }
    using backend = found.backend
    const unsuited = deviceReason(backend)
    if (unsuited) return { name, package: from, available: false, reason: unsuited }
    const { capabilities } = backend
    const report = { name, package: from, available: true, capabilities } as const
    if (!question) return report
    const { description, shape } = question
    const ask = (cache: CacheDescription): Answer => ({
      cache,
      reasons: backend.validate(attentionConfig({ description }, cache)),
    })
    return {
      ...report,
      serves: {
        contiguous: ask({ kind: 'contiguous', shape }),
        paged: ask(pagedCache(capabilities, shape)),
      },
    }
  })
}

/** Why a backend's kernels do not run on this GPU, whatever it is asked for. */
function deviceReason(backend: AttentionBackend): string | undefined {
  const shape: KvCacheShape = {
    ...{ layers: 1, kvHeads: 1, headDim: 64, valueHeadDim: 64, dtype: 'bfloat16' },
    ...{ maxSequences: 1, maxLength: 1 },
  }
  const kind = backend.capabilities.cacheKinds[0] ?? 'contiguous'
  const config: AttentionConfig = { cache: { kind, shape }, queryHeads: 1, dtype: 'bfloat16' }
  return backend.validate(config).find(({ code }) => code === 'computeCapability')?.message
}

/** A pool that the backend reads, if it reads any: blocks of 16 tokens or the next size it has. */
function pagedCache(capabilities: Capabilities, shape: KvCacheShape): CacheDescription {
  const sizes = blockSizes(capabilities.blockTokens, shape.headDim)
  const blockTokens = [16, 32, 64, 128, 256, 8, 1].find((size) => sizeAllowed(sizes, size))
  const [poolLayout] = capabilities.poolLayouts
  return {
    kind: 'paged',
    shape,
    blockTokens: blockTokens ?? 16,
    ...(poolLayout && { poolLayout }),
  }
}
