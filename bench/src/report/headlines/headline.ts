import type { PlacedCase } from '../../result/index.ts'
import { backendName, shown, text } from '../question.ts'

/** One figure that a reader should leave with. */
export interface Headline {
  readonly about: string
  readonly value: string
  readonly unit: string
  /** What it is of, and what puts it in its place. */
  readonly detail: string
  readonly source: string
}

/** The number that a case's metric is shown by; null where it has none. */
export const valueOf = (one: PlacedCase, metric: string): number | null =>
  shown(one.metrics[metric]).value

/** Those numbers of some cases that there are. */
export const valuesOf = (cases: readonly PlacedCase[], metric: string): number[] =>
  cases.map((one) => valueOf(one, metric)).filter((value) => value !== null)

/** The case with the largest value of a metric. */
export function largest(cases: readonly PlacedCase[], metric: string) {
  return cases.reduce<{ one: PlacedCase; value: number } | undefined>((best, one) => {
    const value = valueOf(one, metric)
    return value !== null && (!best || value > best.value) ? { one, value } : best
  }, undefined)
}

/** `1.14 – 1.23`; one number where all are the same in two digits. */
export function range(values: readonly number[], digits = 2): string {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((one) => one.toFixed(digits))
  return least === most ? least! : `${least} – ${most}`
}

/** Backend and cache of a case. */
export const subject = (one: PlacedCase): string =>
  [backendName(text(one, 'backend')), text(one, 'cache')].filter(Boolean).join(' ')
