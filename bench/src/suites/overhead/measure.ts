import type { AttentionBackend } from '@vattention/interface'

import {
  FilledCache,
  interleave,
  Noise,
  QueryRows,
  refusal,
  Subject,
  uniformPass,
  WrongResult,
} from '../../harness/index.ts'
import type { NamedCache, NamedShape, SuiteContext } from '../../suite/index.ts'
import type { NativeOverhead } from './native.ts'
import { Pass, type PassTensors, type PassTimes, type ReplayTimes } from './pass.ts'
import { recordPasses } from './record.ts'
import { blockPasses, timeBlock } from './time-block.ts'

/** Between rounds, which take a few milliseconds on the CPU. */
const restMs = 200

/** What is measured. */
export interface Overhead {
  readonly shape: NamedShape
  readonly caches: readonly NamedCache[]
  /** Of each backend and cache. */
  readonly passes: number
  readonly sequences: number
  readonly length: number
  readonly budgetMs: number
}

/** A backend over a cache, and what its passes found. */
export interface PassSubject {
  readonly name: string
  readonly backendName: string
  readonly cache: NamedCache
  readonly filled: FilledCache
  readonly pass: Pass
  readonly maxError: number
  readonly times: PassTimes[]
  readonly replays: ReplayTimes[]
}

/** Measures passes of every backend over every cache that it serves. */
export async function measureOverhead(
  context: SuiteContext,
  backends: ReadonlyMap<string, AttentionBackend>,
  native: NativeOverhead,
  about: Overhead,
): Promise<void> {
  const { device, clock, random, signal } = context
  const { shape, sequences, passes } = about
  const fromNative = () => native.passes(context, about)
  const { dtype, queryHeads, kvHeads, headDim } = shape
  const rows = device.isGpu ? 4096 : 256
  using noise = new Noise(device, { rows, heads: kvHeads, headDim, dtype, random })
  using queryNoise = new Noise(device, { rows: 256, heads: queryHeads, headDim, dtype, random })
  using queries = new QueryRows(device, shape, sequences, queryNoise)
  using query = device.tensor(dtype, [sequences, queryHeads, headDim])
  using output = device.tensor(dtype, [sequences, queryHeads, headDim])
  using newRows = device.tensor(dtype, [sequences, kvHeads, headDim])
  const before = await fromNative()
  const subjects: PassSubject[] = []
  try {
    for (const cache of about.caches) {
      for (const [name, backend] of backends) {
        const tensors = { query, output, newRows }
        const made = await subjectOf(context, about, {
          name,
          backend,
          cache,
          noise,
          queries,
          tensors,
        })
        if (made) subjects.push(made)
      }
    }
    const all = subjects.flatMap((one): [string, () => Promise<void>][] => [
      [one.name, async () => void one.times.push(...(await timeBlock(() => one.pass.time())))],
      ...(one.pass.hasGraph
        ? [
            [
              `${one.name} graph`,
              async () => void one.replays.push(...(await timeBlock(() => one.pass.timeGraph()))),
            ] as [string, () => Promise<void>],
          ]
        : []),
    ])
    await interleave({
      subjects: Object.fromEntries(all),
      collect: () => undefined,
      restMs,
      most: Math.ceil(passes / blockPasses),
      warmUp: 0, // each block has its own
      budgetMs: about.budgetMs,
      ...{ clock, random, signal },
    })
    // Once more, so that what changes over time shows in both.
    const after = before.length > 0 ? await fromNative() : []
    for (const one of subjects) recordPasses(context, about, one, [...before, ...after])
  } finally {
    await device.synchronize()
    for (const { pass, filled } of subjects) {
      pass[Symbol.dispose]()
      await filled.dispose()
    }
  }
}

/** Makes a pass whose result is right; what there is not is told. */
async function subjectOf(
  { device, clock, random, recorder }: SuiteContext,
  { shape, sequences, length }: Overhead,
  of: {
    readonly name: string
    readonly backend: AttentionBackend
    readonly cache: NamedCache
    readonly noise: Noise
    readonly queries: QueryRows
    readonly tensors: PassTensors
  },
): Promise<PassSubject | undefined> {
  const { backend, cache, noise, queries, tensors } = of
  const name = `${of.name} ${cache.name}`
  let filled: FilledCache | undefined
  let pass: Pass | undefined
  try {
    const options = { shape, cache, sequences, length }
    filled = new FilledCache(device, options, [backend], noise, random)
    const maxError = await check(filled)
    pass = new Pass(device, clock, backend, filled, tensors)
    if (device.isGpu) await captured(pass)
    const found = { maxError, times: [], replays: [] }
    return { name, backendName: of.name, cache, filled, pass, ...found }
  } catch (error) {
    pass?.[Symbol.dispose]()
    await filled?.dispose()
    if (error instanceof WrongResult) recorder.refuse(name, error)
    else recorder.skip(name, error)
    return undefined
  }

  async function check(over: FilledCache): Promise<number> {
    const { queryHeads, dtype } = shape
    const refused = refusal(backend, { cache: over.cache, queryHeads, dtype })
    if (refused !== undefined) throw new Error(refused)
    const parts = { device, backend, filled: over, rows: queries, maxTokens: sequences }
    using subject = new Subject(parts)
    subject.prepare(uniformPass(sequences, 1, length))
    return await subject.check()
  }

  async function captured(one: Pass): Promise<void> {
    try {
      await one.capture()
    } catch (error) {
      recorder.skip(`${name} as a graph`, error)
    }
  }
}
