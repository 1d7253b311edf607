import { shown } from '../report/question.ts'
import { placedCases, unitOf, type PlacedCase, type Result, type Unit } from '../result/index.ts'
import { FigureError } from './figure-error.ts'

/** What is made of the values of several cases; `one`: there must be a single one. */
export type Reduction = 'one' | 'least' | 'most' | 'median' | 'range'

const reductions: readonly Reduction[] = ['least', 'most', 'median', 'range']

/** Numbers that a figure shows, one or the two ends of a range, in the metric's unit. */
export interface Selected {
  readonly values: readonly number[]
  readonly unit: Unit
}

type Condition = (one: PlacedCase) => boolean

/** Whether a value is the wanted one; `*` at an end stands for anything. */
function fits(value: string, wanted: string): boolean {
  if (wanted.startsWith('*')) return value.endsWith(wanted.slice(1))
  if (wanted.endsWith('*')) return value.startsWith(wanted.slice(0, -1))
  return value === wanted
}

function condition(part: string): Condition {
  const [, absent] = /^no ([A-Za-z]+)$/.exec(part) ?? []
  if (absent !== undefined) return ({ parameters }) => parameters[absent] === undefined
  const [, key = '', wanted = ''] = /^([A-Za-z]+)=(.+)$/.exec(part) ?? []
  const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(wanted) ?? []
  return ({ parameters }) => {
    const value = parameters[key]
    if (value === undefined) return false
    if (from === undefined) return wanted.split(' or ').some((one) => fits(String(value), one))
    return Number(value) >= Number(from) && Number(value) <= Number(to)
  }
}

/** A metric's key, and which of its numbers: `stepUs.p99`; without one it is the median. */
function valueOf(one: PlacedCase, metric: string): number | null {
  const [key = '', part] = metric.split('.')
  const found = one.metrics[key]
  if (part === undefined) return shown(found).value
  if (typeof found !== 'object' || found === null) return null
  return (found as Readonly<Record<string, number | null | undefined>>)[part] ?? null
}

function reduced(reduction: Reduction, values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b)
  const [least, most] = [sorted[0]!, sorted.at(-1)!]
  if (reduction === 'least') return [least]
  if (reduction === 'most') return [most]
  if (reduction === 'range') return [least, most]
  const middle = sorted.length / 2
  return [(sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2]
}

/**
 * Numbers of a result, by a selector: parameters of cases, then a metric, apart by semicolons.
 *
 * `backend=fa3; cache=split; tokens=8192..131072; range tflops`: values may be lists (`a or b`), begin
 * or end with `*` for anything, or be `from..to` of numbers; `no chunk` is of cases without that
 * parameter. `least`, `most`, `median` or `range` stands
 * before the metric when several cases fit;
 * `stepUs.p99` is another number of the metric than its median.
 *
 * @throws FigureError when nothing fits, or more than one case does where one is needed
 */
export function select(result: Result, selector: string): Selected {
  const parts = selector.split(';').map((part) => part.trim())
  const [word = '', named] = parts.at(-1)!.split(/\s+/)
  const reduction = reductions.find((one) => named !== undefined && one === word) ?? 'one'
  const metric = reduction === 'one' ? word : named!
  const conditions = parts.slice(0, -1).map(condition)
  const cases = placedCases(result).filter((one) => conditions.every((holds) => holds(one)))
  const values = cases.map((one) => valueOf(one, metric)).filter((value) => value !== null)
  if (values.length === 0) throw new FigureError(`nothing in the result fits "${selector}"`)
  if (reduction === 'one' && values.length > 1) {
    throw new FigureError(
      `${values.length} cases fit "${selector}": name one, or say least, most, median or range`,
    )
  }
  return { values: reduced(reduction, values), unit: unitOf(metric.split('.')[0]!) }
}
