import type { Option } from 'commander'

import type { BenchDevice, Clock, MachineGlance, Random } from '../harness/index.ts'
import type { Result } from '../result/index.ts'

import type { Recorder } from './recorder.ts'
import type { NamedCache } from './named-cache.ts'
import type { NamedShape } from './named-shape.ts'

/** What every suite is told, from the command line. */
export interface SuiteSettings {
  /** Fewer and smaller cases: under two minutes on two cores, and no figures to publish. */
  readonly quick: boolean
  /** For all cells together, without their beginnings. */
  readonly budgetSeconds: number
  /**
   * Whether the budget counts more than the rounds that make figures: smoke runs have to end, and who
   * names a budget wants it kept. Defaults to `quick`.
   */
  readonly strictBudget?: boolean
  /** Of orders, data and resamples. */
  readonly seed: number
  /** Of models; absent: the suite's own for the device. */
  readonly shapes?: readonly NamedShape[]
  /** By name; absent: all that the machine has. */
  readonly backends?: readonly string[]
  /** Absent: those that the suite compares. */
  readonly caches?: readonly NamedCache[]
}

/** What a suite measures with. */
export interface SuiteContext {
  readonly settings: SuiteSettings
  /** Values of the suite's own options, by the names that commander gives them. */
  readonly options: Readonly<Record<string, unknown>>
  readonly device: BenchDevice
  readonly clock: Clock
  readonly random: Random
  /** Aborted by Ctrl-C: what was recorded until then is kept. A cell looks at it between rounds. */
  readonly signal: AbortSignal
  readonly recorder: Recorder
  /** To be called between rounds that the speed of memory decides: `interleave` does. */
  readonly glance: MachineGlance
}

/** One thing that is measured by itself: a length, a batch, a trace. */
export interface Cell {
  /** For people, and for what is skipped: `8192 tokens`. */
  readonly name: string
  /** Of the time, beside the other cells. Defaults to 1. */
  readonly weight?: number
  /**
   * Measures and records. What cannot be measured is recorded as skipped with its reason; what is
   * thrown ends the suite, and what was recorded is kept.
   *
   * @param budgetMs Time that the measurements may take; beginnings are not counted.
   */
  measure(budgetMs: number): Promise<void>
}

/** A suite that is ready to measure. */
export interface OpenSuite {
  /** How it is measured: for the report. */
  readonly protocol: Result['protocol']
  /** What it is measured on. */
  readonly workload: Result['workload']
  readonly cells: readonly Cell[]
  /** After the last cell: cases that need several cells, bars. */
  conclude?(): Promise<void> | void
  close(): Promise<void> | void
}

/** One of `vattention bench <suite>`. */
export interface Suite {
  /** Also `bench` of its results. */
  readonly name: string
  readonly kind: Result['kind']
  /** What it tells, in a sentence. */
  readonly summary: string
  /** Options of its own, beside those that all suites have. */
  readonly options?: () => readonly Option[]
  /** How long it measures when nothing is said, in seconds. */
  readonly budgetSeconds: { readonly full: number; readonly quick: number }
  /** Makes what the cells share. What it throws as `Unavailable` is a reason, not a failure. */
  open(context: SuiteContext): Promise<OpenSuite> | OpenSuite
}
