import { metricWords, unitOf, type Metric, type PlacedCase } from '../result/index.ts'
import { fileName, formatBytes, formatNumber } from './format.ts'
import { html, type Markup } from './html/html.ts'
import { table, type Cell } from './html/table.ts'
import type { ReportedResult } from './question.ts'

interface Column {
  readonly head: string
  cell(one: PlacedCase): Cell
}

const distinct = (lists: readonly (readonly string[])[]) => [...new Set(lists.flat())]

/** `graph total, µs`. */
function metricHead(key: string, more = ''): string {
  const { quantity, symbol } = unitOf(key)
  const what = [metricWords(key) || quantity, more].filter(Boolean).join(' ')
  return symbol && symbol !== 'B' ? `${what}, ${symbol}` : what
}

/** Bytes carry a unit of their own size; everything else has the head's. */
const formatOf = (key: string) => (unitOf(key).symbol === 'B' ? formatBytes : formatNumber)

function medianCell(metric: Metric | undefined, format: typeof formatNumber): Cell {
  if (metric === undefined || metric === null) return { text: '–', sort: null, number: true }
  if (typeof metric === 'number') return { text: format(metric), sort: metric, number: true }
  if (!('median' in metric)) return { text: '–', sort: null, number: true }
  const { median, low, high, n } = metric
  const interval =
    typeof low === 'number' && typeof high === 'number'
      ? html` <small>[${formatNumber(low)}, ${formatNumber(high)}]</small>`
      : null
  const count = n === null ? null : html` <small>n ${n}</small>`
  return {
    text: html`<span>${formatNumber(median)}${interval}${count}</span>`,
    sort: median,
    number: true,
  }
}

/** Columns of a metric: one of medians, or one for each percentile. */
function metricColumns(key: string, cases: readonly PlacedCase[]): Column[] {
  const percentiles = cases.some(({ metrics }) => {
    const metric = metrics[key]
    return typeof metric === 'object' && metric !== null && !('median' in metric)
  })
  if (!percentiles) {
    return [
      { head: metricHead(key), cell: ({ metrics }) => medianCell(metrics[key], formatOf(key)) },
    ]
  }
  return (['p50', 'p99', 'max'] as const).map((name) => ({
    head: metricHead(key, name),
    cell: ({ metrics }) => {
      const metric = metrics[key]
      const value =
        typeof metric === 'object' && metric !== null && name in metric
          ? ((metric as unknown as Record<string, number | null>)[name] ?? null)
          : null
      return { text: formatNumber(value), sort: value, number: true }
    },
  }))
}

/** Room of a table, in columns of one number. */
const mostColumns = 10

/** Room that a metric takes: a median stands beside its interval. */
function columnsOf(key: string, cases: readonly PlacedCase[]): number {
  const found = cases.map(({ metrics }) => metrics[key])
  const isObject = (metric: Metric | undefined) => typeof metric === 'object' && metric !== null
  if (!found.some(isObject)) return 1
  return found.some((metric) => isObject(metric) && !('median' in (metric as object))) ? 3 : 2
}

/** Metrics in parts that fit into a table each. */
function tableParts(metrics: readonly string[], cases: readonly PlacedCase[], room: number) {
  const parts: string[][] = []
  let taken = Infinity
  for (const key of metrics) {
    const columns = columnsOf(key, cases)
    if (taken + columns > room) {
      parts.push([])
      taken = 0
    }
    parts.at(-1)!.push(key)
    taken += columns
  }
  return parts
}

function parameterColumn(key: string): Column {
  return {
    head: key,
    cell: ({ parameters }) => {
      const value = parameters[key]
      if (value === undefined || value === null) return { text: '–', sort: null }
      const number = typeof value === 'number'
      return { text: String(value), sort: number ? value : String(value), number }
    },
  }
}

const placeColumn: Column = {
  head: 'in the file',
  cell: ({ index }) => ({ text: html`<code>cases[${index}]</code>`, sort: index }),
}

/** What a table is of, and what its numbers are. */
function captionOf(
  { source, result }: ReportedResult,
  cases: number,
  [part, parts]: readonly number[],
  all: string,
): string {
  return [
    `${fileName(source)}: ${result.bench}, ${cases} cases`,
    part === undefined ? '' : `, part ${part} of ${parts}`,
    '; medians with [95 % interval] and number of samples n',
    all === '' ? '' : `. All: ${all}`,
  ].join('')
}

/** Tables of cases that were measured alike: as many as their metrics have room in. */
function casesTables(of: ReportedResult, cases: readonly PlacedCase[]): Markup[] {
  const parameters = distinct(cases.map((one) => Object.keys(one.parameters)))
  const metrics = distinct(cases.map((one) => Object.keys(one.metrics)))
  // What is the same in all rows is said once.
  const same = parameters.filter(
    (key) =>
      cases.length > 1 && cases.every((one) => one.parameters[key] === cases[0]!.parameters[key]),
  )
  const own = parameters.filter((key) => !same.includes(key))
  const all = same.map((key) => `${key} ${String(cases[0]!.parameters[key])}`).join(', ')
  const parts = tableParts(metrics, cases, Math.max(3, mostColumns - own.length))
  return parts.map((part, i) => {
    const columns = [
      ...own.map(parameterColumn),
      ...part.flatMap((key) => metricColumns(key, cases)),
      placeColumn,
    ]
    return table({
      caption: captionOf(of, cases.length, parts.length > 1 ? [i + 1, parts.length] : [], all),
      heads: columns.map(({ head }) => head),
      rows: cases.map((one) => columns.map(({ cell }) => cell(one))),
    })
  })
}

/** All numbers of a result: tables for each kind of case. */
export function resultTables(of: ReportedResult): Markup[] {
  const kinds = new Map<string, PlacedCase[]>()
  for (const one of of.cases) {
    // Cases that were measured alike stand in one table, however few metrics one of them lacks.
    const key = Object.keys(one.metrics)[0] ?? ''
    kinds.set(key, [...(kinds.get(key) ?? []), one])
  }
  return [...kinds.values()].flatMap((cases) => casesTables(of, cases))
}
