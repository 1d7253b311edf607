import type { AttentionBench, Pairing } from '../attention/attention-bench.ts'
import { recordScatter, subjectCase } from '../attention/cell-cases.ts'
import { contiguousOverPaged, firstOverOthers } from '../attention/comparisons.ts'
import type { RoundCounts } from '../attention/attention-cell.ts'
import { LiveCell } from '../attention/live-cell.ts'
import { ratioCase } from '../attention/ratio-cases.ts'
import { rotationOf } from '../attention/rotation.ts'
import { taskRate } from '../attention/task-work.ts'
import { powerMs, timePower } from './power.ts'
import { passFlop, type PrefillCell } from './prefill-cell.ts'

/** Layers that launches rotate through at most: a kernel that computes is not helped by caches. */
const mostLayers = 8

/** How a cell is measured. */
export interface PrefillSettings {
  readonly rounds: RoundCounts
  readonly leastMs: number
  /** Whether the oracle looks at several rows. */
  readonly thorough: boolean
}

/** Measures one cell over all pairings, and records its cases and ratios. */
export async function measurePrefill(
  bench: AttentionBench,
  cell: PrefillCell,
  served: readonly Pairing[],
  { rounds, leastMs, thorough }: PrefillSettings,
  budgetMs: number,
): Promise<void> {
  const { device, recorder, random } = bench.context
  const { where, shape, sequences, tokens, pass, parameters, pace } = cell
  const mixed = parameters.phase === 'mixed'
  const pairings = served.filter(
    ({ backend }) => !mixed || (backend.capabilities.decode && backend.capabilities.mixedBatches),
  )
  for (const { name } of served.filter((one) => !pairings.includes(one))) {
    recorder.skip(`${where}: ${name}`, 'it does not take prefill and decode in one pass')
  }
  const withPower = device.isGpu && parameters.phase === 'rounds'
  const roundsMs = withPower ? Math.max(budgetMs / 3, budgetMs - powerMs(bench)) : budgetMs
  const live = await LiveCell.open(
    bench,
    {
      ...{ where, shape, pairings, sequences, pass, pace, leastMs, thorough },
      length: tokens,
      rotation: rotationOf(device, shape, sequences * tokens, mostLayers),
      workOf: (of) => passFlop(shape, of),
    },
    rounds,
    roundsMs,
  )
  if (!live) return
  try {
    const flop = passFlop(shape, pass)
    const rate = taskRate('prefill', device, flop)
    const samples = await live.time(rounds, roundsMs)
    const record = (of: ReturnType<typeof subjectCase>) => of && recorder.add(of)
    const about = { where, parameters }
    for (const one of live.subjects) {
      record(subjectCase(bench, one, samples[one.name], rate, about))
    }
    for (const compared of [...contiguousOverPaged(pairings), ...firstOverOthers(pairings)]) {
      const { phase: _, ...rest } = parameters
      const ratio = { parameters: rest, metric: cell.ratioMetric }
      const found = ratioCase(compared, samples, where, ratio, random)
      if (found) recorder.add(found)
    }
    recordScatter(bench, live, { where, parameters })
    const alone = live.subjects.find(({ cache }) => cache.kind === 'contiguous')
    if (!withPower || !alone) return
    for (const [phase, of] of Object.entries(await timePower(bench, alone))) {
      const phased = { where: `${where}, ${phase}`, parameters: { ...parameters, phase } }
      record(subjectCase(bench, alone, of, rate, phased))
    }
  } finally {
    await live.close()
  }
}
