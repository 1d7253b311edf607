import type { Bar } from '../result/index.ts'
import type { ReportedResult } from './question.ts'

/** `undecided`: the interval has the bar inside. `unmeasured`: there is no value. */
export type BarState = 'met' | 'missed' | 'undecided' | 'unmeasured'

/** A bar with the file that it is of. */
export interface ReportedBar extends Bar {
  readonly source: string
  readonly bench: string
  readonly state: BarState
}

/** How a bar came out. */
export function barState({ met, decided }: Bar): BarState {
  if (met === null) return 'unmeasured'
  if (decided === false) return 'undecided'
  return met ? 'met' : 'missed'
}

/** All bars of some results; those of smoke runs are none. */
export function barsOf(results: readonly ReportedResult[]): ReportedBar[] {
  return results
    .filter(({ result }) => result.label === 'full')
    .flatMap(({ source, result }) =>
      result.bars.map((bar) => ({ ...bar, source, bench: result.bench, state: barState(bar) })),
    )
}

/** How many bars are in each state. */
export function countBars(bars: readonly ReportedBar[]): Record<BarState, number> {
  const count = { met: 0, missed: 0, undecided: 0, unmeasured: 0 }
  for (const { state } of bars) count[state]++
  return count
}
