import type { PlacedCase } from '../result/index.ts'
import { datasheetOf } from './datasheet.ts'
import { formatNumber, formatShare, formatTokens } from './format.ts'
import { batchName } from './questions/decode.ts'
import {
  backendName,
  machineName,
  number,
  ofBench,
  shown,
  text,
  type ReportedResult,
} from './question.ts'

/** One figure that a reader should leave with. */
export interface Headline {
  readonly about: string
  readonly value: string
  readonly unit: string
  /** What it is of, and what puts it in its place. */
  readonly detail: string
  readonly source: string
}

const valueOf = (one: PlacedCase, metric: string) => shown(one.metrics[metric]).value

/** The case with the largest value of a metric. */
function largest(cases: readonly PlacedCase[], metric: string) {
  return cases.reduce<{ one: PlacedCase; value: number } | undefined>((best, one) => {
    const value = valueOf(one, metric)
    return value !== null && (!best || value > best.value) ? { one, value } : best
  }, undefined)
}

const range = (values: readonly number[]) => {
  const [least, most] = [Math.min(...values).toFixed(2), Math.max(...values).toFixed(2)]
  return least === most ? least : `${least} – ${most}`
}

/** Backend and cache of a case. */
const subject = (one: PlacedCase) => `${backendName(text(one, 'backend'))} ${text(one, 'cache')}`

function prefill(of: ReportedResult): Headline[] {
  const held = largest(
    of.cases.filter(({ parameters }) => parameters.phase === 'sustained'),
    'tflops',
  )
  const burst = largest(
    of.cases.filter(({ parameters }) => parameters.phase === 'burst'),
    'tflops',
  )
  const found: Headline[] = []
  const peak = datasheetOf(of.result.device?.name)?.matrixTflops
  if (held && burst) {
    found.push({
      about: 'Prefill, at best',
      value: `${formatNumber(held.value)} – ${formatNumber(burst.value)}`,
      unit: 'TFLOP/s',
      detail: `${subject(held.one)}: sustained (${formatTokens(number(held.one, 'tokens'))}) to burst (${formatTokens(number(burst.one, 'tokens'))})${peak ? `; ${formatShare(burst.value / peak)} of the data sheet's peak in a burst` : ''}`,
      source: of.source,
    })
  }
  // The same backend on both sides: what layout alone does.
  const same = of.cases.filter((one) => {
    const [a, b] = [text(one, 'of'), text(one, 'over')]
    const [, backend] = /^(\S+) (?:contiguous|interleaved|split)$/.exec(a) ?? []
    return backend !== undefined && b.startsWith(`${backend} paged`)
  })
  const names = [...new Set(same.map((one) => text(one, 'over')))]
  for (const name of names) {
    const own = same.filter((one) => text(one, 'over') === name)
    const lengths = new Set(own.map((one) => number(one, 'tokens'))).size
    const values = own.map((one) => valueOf(one, 'speedRatio')).filter((value) => value !== null)
    const [backend = name, ...cache] = name.split(' ')
    found.push({
      about: `Prefill, ${backendName(backend)}: contiguous against ${cache.join(' ')}`,
      value: range(values),
      unit: '×',
      detail: `medians of ${lengths} prompt lengths; above 1, contiguous is faster`,
      source: of.source,
    })
  }
  return found
}

function decode(of: ReportedResult): Headline[] {
  const found: Headline[] = []
  const best = largest(of.cases, 'gbPerSecond')
  const peak = datasheetOf(of.result.device?.name)?.memoryGbPerSecond
  if (best) {
    found.push({
      about: 'Decode, at best',
      value: formatNumber(best.value / 1000),
      unit: 'TB/s',
      detail: `${subject(best.one)}, ${batchName(best.one)} tokens${peak ? `; ${formatShare(best.value / peak)} of the data sheet's bandwidth` : ''}`,
      source: of.source,
    })
  }
  const against = (what: string, over: RegExp) => {
    const values = of.cases
      .filter(
        (one) => / (split|interleaved)$/.test(text(one, 'of')) && over.test(text(one, 'over')),
      )
      .map((one) => valueOf(one, 'speedRatio'))
      .filter((value) => value !== null)
    if (values.length === 0) return
    found.push({
      about: `Decode, best contiguous against ${what}`,
      value: range(values),
      unit: '×',
      detail: `medians of ${values.length} batches; above 1, contiguous is faster`,
      source: of.source,
    })
  }
  against('best paged', / paged \d+$/)
  against('PagedAttention', /^paged-attention /)
  return found
}

function step(of: ReportedResult): Headline[] {
  const worst = of.cases
    .flatMap((one) => {
      const { stepUs } = one.metrics
      if (typeof stepUs !== 'object' || stepUs === null || 'median' in stepUs) return []
      const { p99 } = stepUs
      return p99 === null ? [] : [{ one, p99 }]
    })
    .sort((a, b) => b.p99 - a.p99)[0]
  const fastest = largest(of.cases, 'readyGbPerSecond')
  return [
    ...(worst
      ? [
          {
            about: 'Step of the memory manager, p99',
            value: formatNumber(worst.p99),
            unit: 'µs',
            detail: `${text(worst.one, 'sequences')} sequences, ${text(worst.one, 'load')}: the slowest of the loads`,
            source: of.source,
          },
        ]
      : []),
    ...(fastest
      ? [
          {
            about: 'Prompts backed by pages',
            value: formatNumber(fastest.value),
            unit: 'GB/s',
            detail: `until ready, ${text(fastest.one, 'pageClasses')}: the fastest of the page classes`,
            source: of.source,
          },
        ]
      : []),
  ]
}

function engine(of: ReportedResult): Headline[] {
  const values = of.cases.map((one) => valueOf(one, 'speedRatio')).filter((one) => one !== null)
  if (values.length === 0) return []
  return [
    {
      about: 'Engine against node-llama-cpp, CPU',
      value: range(values),
      unit: '×',
      detail: `tokens/s, ${values.length} loads, ${machineName(of)}`,
      source: of.source,
    },
  ]
}

function cpu(of: ReportedResult): Headline[] {
  const values = of.cases
    .filter((one) => text(one, 'over') === 'sequential read')
    .map((one) => valueOf(one, 'speedRatio'))
    .filter((one) => one !== null)
  if (values.length === 0) return []
  return [
    {
      about: 'CPU decode against plain reading',
      value: range(values),
      unit: '×',
      detail: `contiguous split, ${values.length} models, ${machineName(of)}`,
      source: of.source,
    },
  ]
}

const readers = { prefill, decode, step, 'engine-vs-llama': engine, 'cpu-attention': cpu }

/** What the results come to, in a few figures; smoke runs give none. */
export function headlines(results: readonly ReportedResult[]): Headline[] {
  const full = results.filter(({ result }) => result.label === 'full')
  return Object.entries(readers).flatMap(([bench, read]) => ofBench(full, bench).flatMap(read))
}
