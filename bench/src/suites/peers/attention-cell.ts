import {
  atLeast,
  enqueue,
  figures,
  interleave,
  launchesFor,
  timeBurst,
  uniformPass,
  WrongResult,
  type Rate,
  type Sample,
} from '../../harness/index.ts'
import type { Cell, NamedShape } from '../../suite/index.ts'
import type { AttentionBench, Pairing } from '../attention/attention-bench.ts'
import { batchLabel } from '../attention/batch-values.ts'
import { cacheLabel, tokensLabel } from '../attention/cache-label.ts'
import { LiveCell, type RoundCounts } from '../attention/live-cell.ts'
import { ratioCase } from '../attention/ratio-cases.ts'
import { rotationOf } from '../attention/rotation.ts'
import { taskRate, taskWork } from '../attention/task-work.ts'
import { writeAttentionData } from './attention-data.ts'
import { checkedPlaces, checkRows } from './attention-oracle.ts'
import type { PeerProgram } from './peer-program.ts'

/** A peer that computes attention. */
export interface AttentionPeer {
  /** `torch` */
  readonly name: string
  readonly program: PeerProgram
}

/** What is computed: prompts as a whole, or one new token of each sequence. */
export interface PeerTask {
  readonly kind: 'prefill' | 'decode'
  readonly sequences: number
  /** Of each sequence, in the cache, the new ones included. */
  readonly tokens: number
}

/** What all cells have in common. */
export interface PeerCells {
  readonly bench: AttentionBench
  readonly shape: NamedShape
  readonly pairings: readonly Pairing[]
  readonly peers: readonly AttentionPeer[]
  readonly rounds: RoundCounts
  /** A sample lasts so long at least. */
  readonly leastMs: number
}

/** Layers that peers hold as well: each takes memory in every process. */
const mostLayers = 8

/** What is compiled for each shape. */
const slowToCompile: ReadonlySet<string> = new Set(['flex'])

/** First launches after a pause, on a GPU. */
const bursts = { pauseMs: 800, spanMs: 60, times: 2 }

/** A peer's kernel that computes attention. */
interface CheckedPeer {
  /** `torch flash` */
  readonly name: string
  readonly peer: AttentionPeer
  readonly kernel: string
  readonly launches: number
  readonly maxError: number
  /** How it had its tensors. */
  readonly form: Readonly<Record<string, string>>
}

/** The name of a task, for people. */
export const taskLabel = (task: PeerTask): string =>
  task.kind === 'prefill' ? tokensLabel(task.tokens) : batchLabel(task)

/** Our kernels and the peers' on one task, in turns. */
export function attentionCell(cells: PeerCells, task: PeerTask): Cell {
  return {
    name: `${task.kind} ${taskLabel(task)}`,
    measure: (budgetMs) => measure(cells, task, budgetMs),
  }
}

async function measure(cells: PeerCells, task: PeerTask, budgetMs: number): Promise<void> {
  const { bench, shape, pairings, peers, rounds, leastMs } = cells
  const { device, recorder, clock, random, signal, settings, glance } = bench.context
  const where = `${task.kind} ${taskLabel(task)}`
  const query = task.kind === 'prefill' ? task.tokens : 1
  const rotation = rotationOf(device, shape, task.sequences * task.tokens, mostLayers)
  const pass = uniformPass(task.sequences, query, task.tokens)
  const rate = taskRate(task.kind, device, taskWork(task.kind, shape, pass))
  const live = await LiveCell.open(
    bench,
    {
      where,
      shape,
      pairings,
      sequences: task.sequences,
      length: task.tokens,
      pass,
      rotation,
      workOf: ({ queryLengths, kvLengths }) =>
        queryLengths.reduce((sum, q, i) => sum + q * kvLengths[i]!, 0),
      pace: `peers ${task.kind}`,
      leastMs,
      thorough: !device.isGpu,
    },
    rounds,
    budgetMs,
  )
  if (!live) return
  try {
    const filled = live.filled(live.subjects[0]!.cache)
    const { queries } = bench.noiseOf(shape)
    using data = writeAttentionData(device, filled, queries, { layers: rotation.layers, query })
    const checked: CheckedPeer[] = []
    for (const peer of peers) {
      if (signal.aborted) return
      try {
        await peer.program.ask({ op: 'load', ...data.request })
      } catch (error) {
        recorder.skip(`${where}: ${peer.name}`, error)
        continue
      }
      for (const kernel of peer.program.kernels) {
        const name = `${peer.name} ${kernel}`
        if (settings.quick && slowToCompile.has(kernel)) {
          recorder.skip(`${where}: ${name}`, 'not in a smoke run: it is compiled for a minute')
          continue
        }
        try {
          const form = await prepare(peer.program, kernel, signal)
          const places = checkedPlaces(task.sequences, query, !device.isGpu)
          const answer = await peer.program.ask({ op: 'check', kernel, rows: places })
          const maxError = checkRows(filled, queries, query, places, answer['rows'] as number[][])
          const { ms } = await peer.program.ask({ op: 'sample', kernel, launches: 1 })
          const launches = launchesFor(ms as number, leastMs, rotation.mostLaunches)
          checked.push({
            ...{ name, peer, kernel, launches, maxError },
            form: form as Record<string, string>,
          })
        } catch (error) {
          if (signal.aborted) return
          if (error instanceof WrongResult) recorder.refuse(`${where}: ${name}`, error)
          else recorder.skip(`${where}: ${name}`, error)
        }
      }
    }
    const counts = new Map<string, number>()
    const measured = async (work: () => Promise<number>): Promise<Sample> => {
      const from = Date.now()
      const ms = await work()
      return { ms, from, to: Date.now() }
    }
    const ours = live.subjects.map(({ name, timed }): [string, () => Promise<Sample>] => [
      name,
      () =>
        measured(async () => {
          const done = counts.get(name) ?? 0
          counts.set(name, done + timed.launches)
          const { start, end } = enqueue(device, timed, done)
          await device.synchronize()
          const ms = end.millisecondsSince(start) / timed.launches
          start[Symbol.dispose]()
          end[Symbol.dispose]()
          return ms
        }),
    ])
    const theirs = checked.map(({ name, ...one }): [string, () => Promise<Sample>] => [
      name,
      () => measured(async () => (await sampleOf(one)) as number),
    ])
    const samples = await interleave({
      subjects: Object.fromEntries([...ours, ...theirs]),
      collect: (_, sample) => sample,
      ...rounds,
      budgetMs,
      clock,
      random,
      signal,
      glance,
    })
    const burst =
      device.isGpu && task.kind === 'prefill' && !signal.aborted
        ? await burstSamples(cells, live, checked, settings.quick)
        : {}
    bench.telemetry.read()
    record(cells, task, { samples, burst, live, checked, rate })
  } finally {
    for (const peer of peers) await peer.program.ask({ op: 'unload' }).catch(() => undefined)
    await live.close()
  }
}

/** Lets a peer make its kernel, which may take minutes: an interruption does not wait for it. */
async function prepare(program: PeerProgram, kernel: string, signal: AbortSignal) {
  const kill = () => program.kill()
  signal.addEventListener('abort', kill)
  try {
    return await program.ask({ op: 'prepare', kernel })
  } finally {
    signal.removeEventListener('abort', kill)
  }
}

async function sampleOf({ peer, kernel, launches }: Omit<CheckedPeer, 'name'>): Promise<unknown> {
  return (await peer.program.ask({ op: 'sample', kernel, launches }))['ms']
}

/** The first launches after a pause: before power has settled. */
async function burstSamples(
  { bench }: PeerCells,
  live: LiveCell,
  checked: readonly CheckedPeer[],
  quick: boolean,
): Promise<Record<string, Sample[]>> {
  const { device } = bench.context
  const pauseMs = quick ? 200 : bursts.pauseMs
  const { spanMs } = bursts
  const samples: Record<string, Sample[]> = {}
  const add = (name: string, of: readonly Sample[]) => (samples[name] ??= []).push(...of)
  for (let i = 0; i < (quick ? 1 : bursts.times); i++) {
    for (const { name, subject, timed, launchMs } of live.subjects) {
      const about = { layers: timed.layers, launchMs, pauseMs, spanMs }
      add(name, await timeBurst(device, subject, about))
    }
    for (const { name, peer, kernel } of checked) {
      const from = Date.now()
      try {
        const request = { op: 'burst', kernel, pause: pauseMs / 1000, span: spanMs }
        const { ms } = await peer.program.ask(request)
        const to = Date.now()
        add(
          name,
          (ms as number[]).map((one) => ({ ms: one, from, to })),
        )
      } catch (error) {
        bench.context.recorder.skip(`burst: ${name}`, error)
      }
    }
  }
  return samples
}

interface Measured {
  readonly samples: Readonly<Record<string, Sample[]>>
  readonly burst: Readonly<Record<string, Sample[]>>
  readonly live: LiveCell
  readonly checked: readonly CheckedPeer[]
  readonly rate: Rate
}

function record({ bench }: PeerCells, task: PeerTask, measured: Measured): void {
  const { recorder, random, device } = bench.context
  const { live, checked, rate, samples } = measured
  const label = `${task.kind} ${taskLabel(task)}`
  const { kind, sequences, tokens } = task
  for (const phase of ['rounds', 'burst'] as const) {
    const all = phase === 'rounds' ? samples : measured.burst
    const parameters = { task: kind, sequences, tokens, phase }
    const add = (
      { name, maxError }: Pick<CheckedPeer, 'name' | 'maxError'>,
      own: Readonly<Record<string, string>>,
    ) => {
      const of = all[name] ?? []
      if (of.length === 0) return
      recorder.add({
        name: `${name}, ${label}, ${phase}`,
        parameters: { ...own, ...parameters },
        ...figures(of, rate, bench.telemetry, random),
        maxError,
      })
    }
    for (const one of live.subjects) add(one, { backend: one.short, cache: cacheLabel(one.cache) })
    for (const one of checked) add(one, { backend: one.peer.name, cache: one.kernel, ...one.form })
  }
  for (const { name: of, short } of live.subjects) {
    for (const { name: over } of checked) {
      const about = { parameters: { task: kind, sequences, tokens }, metric: 'speedRatio' }
      const compared = ratioCase({ of, over }, samples, label, about, random)
      if (!compared) continue
      recorder.add(compared)
      if (!device.isGpu || kind !== 'prefill' || short !== 'fa3' || over !== 'torch cudnn') continue
      const value = compared.metrics['speedRatio'] as LiveRatio
      recorder.bar(atLeast(`${of} / ${over}, ${tokensLabel(tokens)}`, value, 1))
    }
  }
}

type LiveRatio = Parameters<typeof atLeast>[1]
