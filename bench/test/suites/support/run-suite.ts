import { HostDevice, randomOf, type Clock } from '../../../src/harness/index.ts'
import { resultReasons, type MeasuredCase } from '../../../src/result/index.ts'
import { resultOf } from '../../support/result.ts'
import { Recorder, type Suite, type SuiteSettings } from '../../../src/suite/index.ts'

/** Time that goes on by so much whenever it is read: nothing is waited for. */
export class SteppingClock implements Clock {
  #now = 0
  readonly #stepMs: number

  constructor(stepMs = 0.01) {
    this.#stepMs = stepMs
  }

  now(): number {
    return (this.#now += this.#stepMs)
  }
}

const budgetMs = 1e6

/** What a suite found out, and why that would be no result: nothing, it is hoped. */
export interface SuiteRun {
  readonly recorder: Recorder
  readonly reasons: readonly string[]
}

/** Runs all cells of a suite on the CPU, with its own options. */
export async function runSuite(
  suite: Suite,
  options: Readonly<Record<string, unknown>> = {},
  settings: Partial<SuiteSettings> = {},
  {
    clock = new SteppingClock(),
    signal = new AbortController().signal,
    freeBytes,
  }: {
    readonly clock?: Clock
    readonly signal?: AbortSignal
    /** That the device says it has. */
    readonly freeBytes?: number
  } = {},
): Promise<SuiteRun> {
  const recorder = new Recorder()
  using device = new HostDevice(clock, 2 ** 16)
  if (freeBytes !== undefined) device.freeBytes = () => freeBytes
  const open = await suite.open({
    settings: { quick: true, budgetSeconds: 1, seed: 1, ...settings },
    options,
    device,
    clock,
    random: randomOf(1),
    signal,
    recorder,
    glance: () => undefined,
  })
  try {
    const { budgetSeconds } = settings
    const each = budgetSeconds === undefined ? budgetMs : 1000 * budgetSeconds
    for (const cell of open.cells) await cell.measure(each)
    await open.conclude?.()
  } finally {
    await open.close()
  }
  const { name: bench, kind } = suite
  const { protocol, workload } = open
  const { bars, skipped } = recorder
  const result = resultOf([...recorder.cases], {
    ...{ bench, kind, label: 'smoke', protocol, workload },
    ...{ bars: [...bars], skipped: [...skipped] },
  })
  return { recorder, reasons: resultReasons(result) }
}

/** The cases with these parameters. */
export const casesOf = (
  { recorder }: SuiteRun,
  parameters: Readonly<MeasuredCase['parameters']>,
): MeasuredCase[] =>
  recorder.cases.filter((one) =>
    Object.entries(parameters).every(([key, value]) => one.parameters[key] === value),
  )
