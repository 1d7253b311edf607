import {
  figures,
  summarize,
  uniformPass,
  type Sample,
  type TimedSubject,
} from '../../harness/index.ts'
import type { Metric } from '../../result/index.ts'
import type { NamedShape } from '../../suite/index.ts'
import type { AttentionBench, Pairing } from '../attention/attention-bench.ts'
import { batchLabel, type Batch } from '../attention/batch-values.ts'
import { recordScatter, subjectCase } from '../attention/cell-cases.ts'
import {
  contiguousOverPaged,
  contiguousOverSplit,
  overReference,
} from '../attention/comparisons.ts'
import type { RoundCounts } from '../attention/attention-cell.ts'
import { LiveCell } from '../attention/live-cell.ts'
import { openDeviceCopy, openHostRead, type MemoryRead } from '../attention/memory-read.ts'
import { rateRatioCase, ratioCase } from '../attention/ratio-cases.ts'
import { rotationOf, type Rotation } from '../attention/rotation.ts'
import { taskRate, taskWork } from '../attention/task-work.ts'
import { openReplays, type GraphReplay } from './graph-replay.ts'

/** How batches are measured. */
export interface DecodeSettings {
  readonly rounds: RoundCounts
  readonly leastMs: number
  /** Of K and V that a sample reads: as many layers as it takes. 0: as `leastMs` says. */
  readonly passBytes: number
  /** Of attention on the CPU, and of what reads beside it. */
  readonly threads: number | undefined
}

/** Measures one batch over all pairings, and records its cases and ratios. */
export async function measureDecode(
  bench: AttentionBench,
  shape: NamedShape,
  batch: Batch,
  pairings: readonly Pairing[],
  settings: DecodeSettings,
  budgetMs: number,
): Promise<void> {
  const { device } = bench.context
  const { sequences, tokens } = batch
  const { rounds, leastMs, passBytes } = settings
  const where = batchLabel(batch)
  const pass = uniformPass(sequences, 1, tokens)
  const rotation = rotationOf(device, shape, sequences * tokens, shape.layers, passBytes)
  const workOf = (of: typeof pass) => taskWork('decode', shape, of)
  const live = await LiveCell.open(
    bench,
    {
      ...{ where, shape, pairings, sequences, pass, rotation, workOf, leastMs },
      length: tokens,
      pace: `${shape.name} decode`,
    },
    rounds,
    budgetMs,
  )
  if (!live) return
  const replays: GraphReplay[] = []
  let memory: MemoryRead | undefined
  try {
    const layerBytes = workOf(pass)
    replays.push(...(await openReplays(bench, live, pass, where)))
    memory = await openMemory(bench, layerBytes, rotation, live, settings, where)
    const others = new Map<string, TimedSubject>([
      ...replays.map(({ name, timed }) => [name, timed] as const),
      ...(memory ? [[memory.name, memory.timed] as const] : []),
    ])
    const samples = await live.time(rounds, budgetMs, others)
    const parameters = { shape: shape.name, sequences, tokens }
    record(bench, { live, replays, memory, samples, pairings, where, parameters, layerBytes })
  } finally {
    await device.synchronize()
    for (const replay of replays) replay.close()
    await memory?.close()
    await live.close()
  }
}

/** What reads as many bytes as a sample of the subjects; undefined, with its reason, without memory. */
async function openMemory(
  { context: { device, recorder } }: AttentionBench,
  layerBytes: number,
  { layers }: Rotation,
  live: LiveCell,
  { threads }: DecodeSettings,
  where: string,
): Promise<MemoryRead | undefined> {
  try {
    const launches = Math.max(...live.subjects.map(({ timed }) => timed.launches))
    if (device.isGpu) return openDeviceCopy(device, layerBytes, { layers, launches })
    return await openHostRead(layerBytes * layers, threads)
  } catch (error) {
    recorder.skip(`${where}: reading memory`, error)
    return undefined
  }
}

interface Measured {
  readonly live: LiveCell
  readonly replays: readonly GraphReplay[]
  readonly memory: MemoryRead | undefined
  readonly samples: Readonly<Record<string, readonly Sample[]>>
  readonly pairings: readonly Pairing[]
  readonly where: string
  readonly parameters: { shape: string; sequences: number; tokens: number }
  readonly layerBytes: number
}

function record(bench: AttentionBench, measured: Measured): void {
  const { live, replays, memory, samples, pairings, where, parameters, layerBytes } = measured
  const { recorder, random } = bench.context
  const rate = taskRate('decode', bench.context.device, layerBytes)
  for (const one of live.subjects) {
    const replay = replays.find(({ of }) => of === one)
    const graph = replay && graphMetrics(bench, replay, samples[replay.name] ?? [], layerBytes)
    const metrics = { kvBytes: layerBytes, ...graph?.metrics }
    const about = { where, parameters, metrics }
    const made = subjectCase(bench, one, samples[one.name], rate, about)
    if (made) recorder.add({ ...made, samples: { ...made.samples, ...graph?.samples } })
  }
  const compared = [
    ...contiguousOverPaged(pairings),
    ...contiguousOverSplit(pairings),
    ...overReference(pairings),
  ]
  const about = { parameters, metric: 'speedRatio' }
  for (const one of compared) {
    const made = ratioCase(one, samples, where, about, random)
    if (made) recorder.add(made)
  }
  recordScatter(bench, live, { where, parameters })
  if (memory) recordMemory(bench, memory, measured)
}

/** Of a launch within a graph. */
function graphMetrics(
  { context: { random } }: AttentionBench,
  { layers }: GraphReplay,
  samples: readonly Sample[],
  layerBytes: number,
): { metrics: Record<string, Metric>; samples: Record<string, number[]> } | undefined {
  if (samples.length === 0) return undefined
  const graphMs = samples.map(({ ms }) => ms / layers)
  const rates = graphMs.map((ms) => layerBytes / 1e6 / ms)
  return {
    metrics: {
      graphGbPerSecond: summarize(rates, random),
      graphMs: summarize(graphMs, random),
    },
    samples: { graphMs },
  }
}

function recordMemory(
  bench: AttentionBench,
  { name, metric, bytes }: MemoryRead,
  { live, samples, where, parameters, layerBytes }: Measured,
): void {
  const { recorder, random } = bench.context
  const of = samples[name] ?? []
  if (of.length === 0) return
  const made = figures(of, { metric, work: bytes / 1e9 }, bench.telemetry, random)
  recorder.add({ name: `${name}, ${where}`, parameters: { memory: name, ...parameters }, ...made })
  const work = { [name]: bytes }
  for (const subject of live.subjects) {
    const rates = { ...work, [subject.name]: layerBytes }
    const one = { of: subject.name, over: name }
    const ratio = rateRatioCase(one, samples, rates, where, parameters, random)
    if (ratio) recorder.add(ratio)
  }
}
