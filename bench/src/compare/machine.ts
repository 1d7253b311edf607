import type { MeasuredCase, Result } from '../result/index.ts'

/** One kind of work that the machine did in both runs: see `machine` of a result. */
export interface MachineChange {
  /** Key in `machine`: `copyingGbPerSecond`. */
  readonly gauge: string
  readonly a: number
  readonly b: number
  /** How much slower the machine was in b; negative: faster. A share of the faster of the two. */
  readonly slowerBy: number
}

/** What kernels do not do while they are timed. */
const notInKernels: readonly string[] = ['newMemoryGbPerSecond']

type Rates = Readonly<Record<string, number | null>>

const mediansOf = ({ machine = {} }: Result): Rates =>
  Object.fromEntries(Object.entries(machine).map(([gauge, { median }]) => [gauge, median]))

/** How much the machine itself was slower or faster in b, in what matters to such results. */
export const machineChanges = (a: Result, b: Result): MachineChange[] =>
  changesOf(a.kind, mediansOf(a), mediansOf(b))

/** The same around one case; undefined where the case does not tell in both. */
export const changesAround = (kind: Result['kind'], a: MeasuredCase, b: MeasuredCase) =>
  a.machine && b.machine ? changesOf(kind, a.machine, b.machine) : undefined

function changesOf(kind: Result['kind'], before: Rates, after: Rates): MachineChange[] {
  return Object.entries(before).flatMap(([gauge, a]) => {
    const b = after[gauge]
    if (!a || !b || (kind === 'kernel' && notInKernels.includes(gauge))) return []
    return [{ gauge, a, b, slowerBy: a >= b ? a / b - 1 : 1 - b / a }]
  })
}

/** What a change of a metric may owe to the machine: as much as that changed in any of its work. */
export const machineDrift = (changes: readonly MachineChange[]): number =>
  Math.max(0, ...changes.map(({ slowerBy }) => Math.abs(slowerBy)))
