import type { Result } from '../result/index.ts'
import { judgedValue } from './noise.ts'

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

/** How much the machine itself was slower or faster in b, in what matters to such results. */
export function machineChanges(a: Result, b: Result): MachineChange[] {
  return Object.entries(a.machine ?? {}).flatMap(([gauge, before]) => {
    const after = b.machine?.[gauge]
    if (!after || (a.kind === 'kernel' && notInKernels.includes(gauge))) return []
    const [from, to] = [judgedMedian(before), judgedMedian(after)]
    if (!from || !to) return []
    const slowerBy = from >= to ? from / to - 1 : 1 - to / from
    return [{ gauge, a: from, b: to, slowerBy }]
  })
}

const judgedMedian = (metric: Parameters<typeof judgedValue>[0]) => judgedValue(metric).value

/** What a change of a metric may owe to the machine: as much as that changed in any of its work. */
export const machineDrift = (changes: readonly MachineChange[]): number =>
  Math.max(0, ...changes.map(({ slowerBy }) => Math.abs(slowerBy)))
