import {
  attentionConfig,
  Engine,
  kvCacheShape,
  loadModel,
  randomModel,
  type LoadedModel,
  type ModelShapeName,
} from '@vattention/engine'
import {
  selectBackend,
  type AttentionBackend,
  type KvCache,
  type Rejected,
} from '@vattention/interface'

import { openBackends } from './backends.ts'
import { CleanUp } from './cli/clean-up.ts'
import { showProgress, type Terminal } from './cli/terminal.ts'
import { resolveModelPath } from './default-model.ts'
import { openCache } from './open-cache.ts'
import { checkSessionFlags, type SessionFlags } from './session-options.ts'

/** Longest sequence unless --max-length says otherwise: address space, but also plan buffers. */
const defaultMaxLength = 8192

/** A model, a cache, a backend and an engine over them; disposing ends all of them. */
export interface Session extends AsyncDisposable {
  readonly engine: Engine
  readonly cache: KvCache
  readonly backend: AttentionBackend
  /** Backends that were tried before the chosen one, and why they could not serve. */
  readonly rejected: readonly Rejected[]
}

/** Loads the model that the flags name, with a progress bar. */
export async function openModel(
  flags: SessionFlags,
  terminal: Terminal,
  options: { readonly progress: boolean; readonly signal: AbortSignal },
): Promise<LoadedModel> {
  checkSessionFlags(flags)
  const { weights = 'auto', shape } = flags
  if (weights === 'random') {
    if (options.progress) terminal.err.write(`Making random weights of ${shape}\n`)
    return randomModel({ shape: shape as ModelShapeName })
  }
  const path = resolveModelPath(flags.model)
  const bar = showProgress(terminal, {
    title: `Loading ${path.split('/').at(-1)}`,
    total: 100,
    enabled: options.progress,
  })
  try {
    return await loadModel(path, {
      weights,
      signal: options.signal,
      onProgress: ({ loadedBytes, totalBytes }) => bar.update((100 * loadedBytes) / totalBytes),
    })
  } finally {
    bar.stop()
  }
}

/** Makes cache, backend and engine for a model; the model stays its owner's. */
export async function openSession(model: LoadedModel, flags: SessionFlags): Promise<Session> {
  checkSessionFlags(flags)
  const { contextLength } = model.description
  const maxLength = flags.maxLength ?? Math.min(contextLength, defaultMaxLength)
  const { maxSequences, backend: name } = flags
  const threads = flags.threads === undefined ? {} : { threads: flags.threads }
  const cleanUp = new CleanUp()
  try {
    const cache = openCache(flags, kvCacheShape(model.description, { maxSequences, maxLength }))
    cleanUp.add(() => cache[Symbol.dispose]())
    const backends: AttentionBackend[] = []
    for (const opened of await openBackends(threads)) {
      if (!('backend' in opened)) {
        if (opened.name === name) throw opened.error
        continue
      }
      backends.push(opened.backend)
      cleanUp.add(() => opened.backend[Symbol.dispose]())
    }
    const selected = selectBackend(
      attentionConfig(model, cache),
      backends,
      name === undefined ? {} : { name },
    )
    const engine = await Engine.create({
      model,
      cache,
      backend: selected.backend,
      maxSequences,
      ...threads,
      ...(flags.tokenBudget === undefined ? {} : { maxBatchTokens: flags.tokenBudget }),
    })
    cleanUp.add(() => engine.dispose())
    return { engine, cache, ...selected, [Symbol.asyncDispose]: () => cleanUp.run() }
  } catch (error) {
    await cleanUp.run()
    throw error
  }
}
