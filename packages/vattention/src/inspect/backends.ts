import { attentionConfig, type ModelDescription } from '@vattention/engine'
import type { AttentionConfig, Capabilities, KvCacheShape, Reason } from '@vattention/interface'

import { openBackends } from '../backends.ts'

/** A backend on this machine, and whether it could serve a model. */
export type BackendReport = { readonly name: string; readonly package: string } & (
  | { readonly installed: false; readonly reason: string }
  | {
      readonly installed: true
      readonly capabilities: Capabilities
      /** Without a model absent; else every reason against it, by cache kind. */
      readonly serves?: Readonly<Record<'contiguous' | 'paged', readonly Reason[]>>
    }
)

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
      return { name, package: from, installed: false, reason: found.unavailable }
    }
    using backend = found.backend
    const report = {
      name,
      package: from,
      installed: true,
      capabilities: backend.capabilities,
    } as const
    if (!question) return report
    const { description, shape } = question
    const ask = (cache: AttentionConfig['cache']) =>
      backend.validate(attentionConfig({ description }, cache))
    return {
      ...report,
      serves: {
        contiguous: ask({ kind: 'contiguous', shape }),
        paged: ask({ kind: 'paged', shape, blockTokens: 16 }),
      },
    }
  })
}
