import { hostTensor } from '@vattention/core'
import { slice, type AttentionBackend, type Tensor } from '@vattention/interface'

import { atMost, interleave, must, refusal, summarize } from '../../harness/index.ts'
import type { NamedCache, NamedShape, SuiteContext } from '../../suite/index.ts'
import { openCache } from '../memory/open-cache.ts'
import type { NativeOverhead } from './native.ts'

/** How calls of `plan.run` are measured that leave the kernel nothing to do. */
export interface EmptyCalls {
  readonly shape: NamedShape
  readonly caches: readonly NamedCache[]
  /** Sequences of a batch. */
  readonly batches: readonly number[]
  /** Of one sample. */
  readonly calls: number
  /** Most samples of each batch. */
  readonly samples: number
  readonly budgetMs: number
}

/** Of a call from JavaScript, beyond the kernel, over the CPU's own layout. */
const requiredUs = 2
const requiredCache = 'split'

/** Between rounds. */
const restMs = 100

/** Tokens that each sequence has already. */
const length = 16

/** A plan whose batch has no new tokens. */
interface EmptyCall extends Disposable {
  readonly backendName: string
  readonly cache: NamedCache
  readonly sequences: number
  run(): void
}

/**
 * Measures what a call of `plan.run` costs beyond its kernel: batches whose sequences have no new
 * tokens are checked, handed over and looked through like others, and nothing is computed.
 */
export async function measureEmptyCalls(
  context: SuiteContext,
  backends: ReadonlyMap<string, AttentionBackend>,
  native: NativeOverhead,
  about: EmptyCalls,
): Promise<void> {
  const { recorder, settings, clock, random, signal } = context
  const { calls, samples: most, budgetMs, shape } = about
  const before = await native.calls(context, about)
  const open = new Map<string, EmptyCall>()
  try {
    for (const [backendName, backend] of backends) {
      for (const cache of about.caches) {
        // What computes something else is not timed, even where there is nothing to compute.
        if (recorder.wrong.some((one) => one.case === `${backendName} ${cache.name}`)) continue
        for (const sequences of about.batches) {
          const name = `${backendName} ${cache.name}: plan.run of ${sequences} without new tokens`
          try {
            open.set(name, emptyCall(shape, { backendName, backend, cache, sequences }))
          } catch (error) {
            recorder.skip(name, error)
          }
        }
      }
    }
    const microseconds = ({ run }: EmptyCall) => {
      const begun = clock.now()
      for (let i = 0; i < calls; i++) run()
      return ((clock.now() - begun) * 1000) / calls
    }
    const found = await interleave({
      subjects: Object.fromEntries([...open].map(([name, one]) => [name, () => microseconds(one)])),
      restMs,
      collect: (_, us) => us,
      ...{ most, warmUp: 2, budgetMs, clock, random, signal },
    })
    // Once more, so that what changes over time shows in both.
    const after = before.length > 0 ? await native.calls(context, about) : []
    const nativeCalls = [...before, ...after]
    for (const [name, { backendName, cache, sequences }] of open) {
      const callUs = found[name]!
      if (callUs.length === 0) continue
      const summary = summarize(callUs, random)
      const nativeUs = nativeCalls
        .filter((one) => one.backend === backendName && one.cache === cache.name)
        .filter((one) => one.sequences === sequences)
        .flatMap((one) => one.callUs)
      recorder.add({
        name,
        parameters: {
          ...{ part: 'call', backend: backendName, cache: cache.name },
          ...{ sequences, shape: shape.name },
        },
        metrics: {
          callUs: summary,
          ...(nativeUs.length > 0 && { nativeCallUs: summarize(nativeUs, random) }),
        },
        samples: { callUs },
      })
      if (settings.quick || cache.name !== requiredCache) continue
      recorder.bar(atMost(name, summary, requiredUs, { unit: 'us' }))
    }
  } finally {
    for (const one of open.values()) one[Symbol.dispose]()
  }
}

/** @throws with all reasons when the backend does not serve the cache */
function emptyCall(
  shape: NamedShape,
  about: Pick<EmptyCall, 'backendName' | 'cache' | 'sequences'> & {
    readonly backend: AttentionBackend
  },
): EmptyCall {
  const { backend, backendName, cache: named, sequences } = about
  const { queryHeads, kvHeads, headDim, dtype } = shape
  const cache = openCache(backend.device, {
    shape: { ...shape, layers: 1 },
    cache: named,
    maxSequences: sequences,
    maxLength: 512,
    limitBytes: 2 ** 28,
  })
  try {
    const config = { cache, queryHeads, dtype, needsLse: true }
    const refused = refusal(backend, config)
    if (refused !== undefined) throw new Error(refused)
    const handles = Uint32Array.from({ length: sequences }, () => cache.allocate()!.sequence)
    const kvLengths = new Uint32Array(sequences).fill(length)
    must(cache.step(handles, kvLengths))
    const limits = { maxSequences: sequences, maxTokens: sequences, maxLength: 512 }
    const plan = backend.createPlan(config, limits)
    plan.prepare({
      ...{ cache, sequences: handles, kvLengths },
      queryLengths: new Uint32Array(sequences),
    })
    const rows = (heads: number) => hostTensor(dtype, [1, heads, headDim])
    const tensors = {
      query: rows(queryHeads),
      key: rows(kvHeads),
      value: rows(kvHeads),
      output: rows(queryHeads),
      lse: hostTensor('float32', [1, queryHeads]),
    }
    const none = (tensor: Tensor) => slice(tensor, 0, 0)
    const [query, key, value] = [none(tensors.query), none(tensors.key), none(tensors.value)]
    const [output, lse] = [none(tensors.output), none(tensors.lse)]
    return {
      ...{ backendName, cache: named, sequences },
      run: () => plan.run({ layer: 0, query, key, value, output, lse }),
      [Symbol.dispose]() {
        plan[Symbol.dispose]()
        cache[Symbol.dispose]()
        for (const tensor of Object.values(tensors)) tensor[Symbol.dispose]()
      },
    }
  } catch (error) {
    cache[Symbol.dispose]()
    throw error
  }
}
