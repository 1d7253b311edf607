import {
  clocks,
  commit,
  describeDevice,
  describeHost,
  libraries,
  MachineGauge,
  randomOf,
  type BenchDevice,
  type Clock,
} from '../harness/index.ts'
import { schemaVersion, type Result, type Skipped } from '../result/index.ts'
import { ProgressOfCells, type OnProgress } from './progress.ts'
import { Recorder } from './recorder.ts'
import { resultNumbers } from './result-numbers.ts'
import type { OpenSuite, Suite, SuiteContext, SuiteSettings } from './suite.ts'

/** What a run of a suite needs. */
export interface SuiteRunOptions {
  readonly settings: SuiteSettings
  /** Values of the suite's own options. */
  readonly options: Readonly<Record<string, unknown>>
  /** The caller disposes it. */
  readonly device: BenchDevice
  readonly clock: Clock
  readonly signal: AbortSignal
  /** As it was called, to be called again. */
  readonly command: string
  readonly onProgress?: OnProgress
}

/** What became of a suite. */
export interface SuiteRun {
  /** Of all that was recorded, whatever ended the run. */
  readonly result: Result
  /** What computed something else than attention, and was not timed. */
  readonly wrong: readonly Skipped[]
  readonly interrupted: boolean
  /** What ended the run before its last cell. */
  readonly failure?: unknown
}

/**
 * Runs a suite: its cells one after the other, each with its part of the time.
 *
 * @throws what the suite throws before its first cell: `Unavailable` is a reason, not a failure
 */
export async function runSuite(suite: Suite, run: SuiteRunOptions): Promise<SuiteRun> {
  const { settings, options, device, clock, signal } = run
  const startedAt = new Date().toISOString()
  const began = clock.now()
  const before = device.info && clocks(device.info.uuid)
  const recorder = new Recorder()
  const random = randomOf(settings.seed)
  // Attention on a GPU leans on the GPU's memory, which is told by what is measured.
  await using gauge = await MachineGauge.open(clock, !device.isGpu)
  const { glance } = gauge
  const context = { settings, options, device, clock, random, signal, recorder, glance }
  const open = await suite.open(context)
  let failure: unknown
  try {
    await measureCells(open, { recorder, settings, clock, signal, gauge }, run.onProgress)
    await open.conclude?.()
  } catch (error) {
    failure = error
  }
  try {
    await open.close()
  } catch (error) {
    failure ??= error
  }
  const after = device.info && clocks(device.info.uuid)
  const envelope = resultNumbers({
    schemaVersion,
    bench: suite.name,
    kind: suite.kind,
    label: settings.quick ? 'smoke' : 'full',
    what: suite.summary,
    ...commit(),
    command: run.command,
    startedAt,
    seconds: (clock.now() - began) / 1000,
    host: describeHost(),
    device: describeDevice(device, { before, after }),
    machine: gauge.gauges(random),
    libraries: libraries(),
    protocol: { seed: settings.seed, budgetSeconds: settings.budgetSeconds, ...open.protocol },
    workload: open.workload,
  } as const)
  // The recorder has made its numbers those of a result already: samples are many.
  const { bars, cases, skipped } = recorder
  return {
    result: { ...envelope, bars: [...bars], cases: [...cases], skipped: [...skipped] },
    wrong: recorder.wrong,
    interrupted: signal.aborted,
    ...(failure === undefined ? {} : { failure }),
  }
}

type Measured = Pick<SuiteContext, 'recorder' | 'settings' | 'clock' | 'signal'> & {
  readonly gauge: MachineGauge
}

async function measureCells(
  { cells }: OpenSuite,
  { recorder, settings, clock, signal, gauge }: Measured,
  onProgress: OnProgress = () => undefined,
): Promise<void> {
  const weights = cells.map(({ weight = 1 }) => weight)
  const all = weights.reduce((sum, one) => sum + one, 0)
  gauge.look()
  const progress = new ProgressOfCells(clock, weights, settings.budgetSeconds)
  for (const [index, cell] of cells.entries()) {
    if (signal.aborted) {
      recorder.skip(cell.name, 'interrupted before it began')
      continue
    }
    onProgress(progress.at(index, cell.name))
    const first = recorder.cases.length
    await cell.measure((settings.budgetSeconds * 1000 * weights[index]!) / all)
    gauge.look()
    recorder.tellMachine(first, gauge.around())
  }
  onProgress(progress.at(cells.length, undefined))
}
