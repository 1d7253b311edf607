import { setTimeout as sleep } from 'node:timers/promises'

import { WrongResult } from '../../harness/index.ts'
import type { OpenSuite, Suite, SuiteContext } from '../../suite/index.ts'
import { arrivalsOf, planArrivals, scaleTrace } from '../../traces/index.ts'
import { candidatesOf, defaultCaches, type Candidate } from './candidates.ts'
import { checkCandidate, checkPrompts, referenceOf } from './check-candidate.ts'
import { eventLoopCell } from './event-loop-cell.ts'
import { startDelayMonitor, type StartDelayMonitor } from './event-loop-delay.ts'
import type { Pause } from './play-requests.ts'
import { runCandidate, serveCell, type ServeCellParts, type ServeShared } from './serve-cell.ts'
import { serveProtocol, serveWorkload } from './serve-description.ts'
import {
  resolveServeOptions,
  serveOptionList,
  type ServeArrivals,
  type ServeKind,
  type ServeOptions,
} from './serve-options.ts'
import { openServedModel, type ServedModel } from './served-model.ts'
import { openWorkloads, type Workload } from './workload.ts'

/** What a serving suite reaches outside with; tests have their own. */
export interface ServeParts {
  readonly openModel: (options: ServeOptions, signal: AbortSignal) => Promise<ServedModel>
  readonly pause: Pause
  readonly startDelayMonitor: StartDelayMonitor
}

const realParts: ServeParts = {
  openModel: openServedModel,
  startDelayMonitor,
  pause: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
}

/** What the engine computes on. */
const engineBackend = 'cpu'
const onlyCpu = 'not available: the engine computes on the CPU only so far'

const about: Readonly<Record<ServeKind, Pick<Suite, 'summary' | 'budgetSeconds'>>> = {
  offline: {
    summary: 'The engine on traces, all requests at once: makespan and throughput of each cache.',
    budgetSeconds: { full: 1800, quick: 75 },
  },
  online: {
    summary:
      'The engine on traces, requests at their times (open loop): latency and goodput of each cache.',
    budgetSeconds: { full: 2400, quick: 75 },
  },
}

/** The suite `serve-offline` or `serve-online`. */
export function serveSuite(kind: ServeKind, parts: Partial<ServeParts> = {}): Suite {
  const { openModel, pause, startDelayMonitor: startMonitor } = { ...realParts, ...parts }
  return {
    name: `serve-${kind}`,
    kind: 'serving',
    ...about[kind],
    options: () => serveOptionList(kind),
    open: async (context) => {
      const { settings, device, recorder, signal } = context
      const options = resolveServeOptions(kind, settings.quick, context.options)
      const asked = settings.backends ?? [device.isGpu ? device.name : engineBackend]
      for (const name of asked) if (name !== engineBackend) recorder.skip(name, onlyCpu)
      if (!asked.includes(engineBackend)) return nothing(kind, options)
      const model = await openModel(options, signal)
      try {
        const workloads = await openWorkloads(options, model, settings.seed)
        const all = candidatesOf(settings.caches ?? defaultCaches(kind, settings.quick))
        const candidates = await checkedCandidates(context, model, all, options.limitBytes)
        const shared = { context, options, model, candidates, pause }
        return {
          protocol: serveProtocol(kind, options),
          workload: serveWorkload(workloads, options, model),
          cells:
            candidates.length === 0
              ? []
              : [
                  ...workloads.flatMap((workload) => cellsOf[kind](shared, workload)),
                  ...(kind === 'online' ? [eventLoopCell(shared, startMonitor)] : []),
                ],
          close: () => model.close(),
        }
      } catch (error) {
        model.close()
        throw error
      }
    },
  }
}

const nothing = (kind: ServeKind, options: ServeOptions): OpenSuite => ({
  protocol: serveProtocol(kind, options),
  workload: {},
  cells: [],
  close: () => undefined,
})

/** Those that answer as the reference does; the others are refused. */
async function checkedCandidates(
  { random, signal, recorder }: SuiteContext,
  model: ServedModel,
  candidates: readonly Candidate[],
  limitBytes: number,
): Promise<Candidate[]> {
  const integer = (least: number, most: number) => random.integer(least, most)
  const reference = await referenceOf(
    model,
    checkPrompts(integer, model.vocabularySize),
    limitBytes,
  )
  const right: Candidate[] = []
  for (const candidate of candidates) {
    if (signal.aborted) break
    try {
      await checkCandidate(model, candidate, reference, limitBytes)
      right.push(candidate)
    } catch (error) {
      if (error instanceof WrongResult) recorder.refuse(candidate.name, error)
      else recorder.skip(candidate.name, error)
    }
  }
  return right
}

const cellsOf: Readonly<
  Record<ServeKind, (shared: ServeShared, workload: Workload) => ReturnType<typeof serveCell>[]>
> = {
  offline: (shared, workload) => {
    const { options } = shared
    const sendSeconds = () => offlineSeconds(workload)
    const cell = (memory: string, limitBytes: number, weight: number) =>
      serveCell(shared, {
        workload,
        parameters: { trace: workload.name, arrivals: 'offline', memory },
        limitBytes,
        weight,
        sendSeconds,
      })
    const ample = cell('ample memory', options.limitBytes, 2)
    if (options.scarceShare === 0) return [ample]
    return [ample, cell('scarce memory', scarceBytes(shared, workload), 1)]
  },
  online: (shared, workload) => {
    const { options } = shared
    const served = once(() => servedPerSecond(shared, workload))
    const loads: readonly [parameters: object, rate: () => Promise<number> | number][] =
      options.rates?.map((rate) => [{ rate }, () => rate]) ??
      options.loads.map((load) => [{ load }, async () => load * (await served())])
    return options.arrivals.flatMap((arrivals) =>
      loads.map(([parameters, rate]) =>
        serveCell(shared, {
          workload,
          parameters: { trace: workload.name, arrivals, ...parameters },
          limitBytes: options.limitBytes,
          sendSeconds: arrivalsAt(workload, arrivals, rate, shared.context.settings.seed),
        }),
      ),
    )
  },
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

function offlineSeconds({ trace }: Workload): readonly number[] {
  const plan = planArrivals(trace, { kind: 'offline' })
  if (plan.loop === 'closed') throw new TypeError('an offline plan is open')
  return plan.sendSeconds
}

/** A share of all keys and values, but as much as two of the longest requests take with any cache. */
function scarceBytes({ options, model, candidates }: ServeShared, workload: Workload): number {
  const two = candidates.map(({ cache }) => 2 * model.sequenceBytes(cache, workload.longest))
  return Math.ceil(Math.max(options.scarceShare * workload.tokens * model.tokenBytes, ...two))
}

/** Requests per second that the first candidate serves when all come at once: what loads are shares of. */
async function servedPerSecond(shared: ServeShared, workload: Workload): Promise<number> {
  const { candidates, options } = shared
  const candidate = candidates.find(({ prefixSharing }) => !prefixSharing) ?? candidates[0]!
  const cell = { workload, limitBytes: options.limitBytes }
  // Of a round that is never measured: its prompts are no other's.
  const run = await runCandidate(shared, cell, candidate, -1, offlineSeconds(workload))
  const { requestsPerSecond } = run.summary
  if (requestsPerSecond !== null) return requestsPerSecond
  throw new Error('no request was served offline, so there is no rate to take a share of')
}

function arrivalsAt(
  { trace }: Workload,
  arrivals: ServeArrivals,
  rate: () => Promise<number> | number,
  seed: number,
): ServeCellParts['sendSeconds'] {
  return async (round) => {
    const requestsPerSecond = await rate()
    if (arrivals === 'replayed' && arrivalsOf(trace.requests).length === 0) {
      throw new Error('this trace has no arrivals to replay')
    }
    const plan =
      arrivals === 'poisson'
        ? planArrivals(trace, { kind: 'poisson', requestsPerSecond, seed: seed + round })
        : planArrivals(scaleTrace(trace, { requestsPerSecond }).trace, { kind: 'replayed' })
    if (plan.loop === 'closed') throw new TypeError('arrivals ignore completions')
    return plan.sendSeconds
  }
}
