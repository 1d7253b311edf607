import type { Latencies, MeasuredCase, Metric, PlacedCase, SourcedResult } from '../result/index.ts'
import type { PlotSpec } from './plot/svg.ts'

/** A result with its cases in the one form. */
export interface ReportedResult extends SourcedResult {
  readonly cases: readonly PlacedCase[]
}

/** A plot and what has to be said beside it. */
export interface Figure {
  /** Of the SVG file, without ending; unique within a report. */
  readonly name: string
  readonly title: string
  readonly spec: PlotSpec
  /** What the marks are: intervals of what, which samples. */
  readonly caption: string
  /** Files that its numbers come from. */
  readonly sources: readonly string[]
}

/** A question that a reader has, and the plots that answer it. */
export interface Question {
  readonly id: string
  readonly title: string
  /** In a sentence or two: what is asked, and how to read the answer. */
  readonly asks: string
  /** Benches whose results answer it. */
  readonly benches: readonly string[]
  /** Plots of what there is; none when the results do not answer it. */
  figures(results: readonly ReportedResult[]): Figure[]
  /** What is told in words instead of a plot, a sentence each. Defaults to nothing. */
  words?(results: readonly ReportedResult[]): string[]
}

/** The number that a metric is shown by, with its interval. */
export function shown(metric: Metric | undefined): {
  value: number | null
  low?: number | null
  high?: number | null
} {
  if (metric === undefined || metric === null) return { value: null }
  if (typeof metric === 'number') return { value: metric }
  if (!('median' in metric)) return { value: metric.p50 }
  return { value: metric.median, low: metric.low, high: metric.high }
}

/** Percentiles of a metric that has some; undefined for others. */
export function latenciesOf(metric: Metric | undefined): Latencies | undefined {
  if (typeof metric !== 'object' || metric === null || 'median' in metric) return undefined
  return metric
}

/** A parameter as text. */
export function text(one: MeasuredCase, key: string): string {
  const value = one.parameters[key]
  return value === undefined || value === null ? '' : String(value)
}

/** A parameter as a number. */
export function number(one: MeasuredCase, key: string): number {
  return Number(one.parameters[key])
}

/** The backends' short names in full. */
const backends: Record<string, string> = {
  fa2: 'FlashAttention-2',
  fa3: 'FlashAttention-3',
  'flash-attention-2': 'FlashAttention-2',
  'flash-attention-3': 'FlashAttention-3',
  flashinfer: 'FlashInfer',
  'flashinfer-hopper': 'FlashInfer Hopper',
  'paged-attention': 'PagedAttention',
  torch: 'PyTorch',
}

export const backendName = (name: string) => backends[name] ?? name

/**
 * What a result was measured on, in a few words. A smoke run says so: plots have this in their title,
 * and outlive the page around them.
 */
export function machineName({ result }: SourcedResult): string {
  const machine = result.device?.name ?? `${result.host.cpu}, ${result.host.cores} cores`
  return result.label === 'smoke' ? `${machine} (smoke run)` : machine
}

/** Cases that have the same values of some parameters. */
export interface CaseGroup {
  readonly cases: readonly PlacedCase[]
  /** For names of files: `-azure-2023-conv`; empty when there is one group. */
  readonly suffix: string
  /** For titles: `, azure-2023-conv`; empty when there is one group. */
  readonly about: string
}

/** Cases by some parameters, in the order in which they come; those without any of them go together. */
export function groupsBy(cases: readonly PlacedCase[], ...keys: readonly string[]): CaseGroup[] {
  const groups = new Map<string, PlacedCase[]>()
  // What is the same in all of them is no part of a name.
  const varying = keys.filter((key) => new Set(cases.map((one) => text(one, key))).size > 1)
  for (const one of cases) {
    const name = varying
      .map((key) => text(one, key))
      .filter(Boolean)
      .join(', ')
    groups.set(name, [...(groups.get(name) ?? []), one])
  }
  const several = groups.size > 1
  return [...groups].map(([name, own]) => ({
    cases: own,
    suffix: several ? `-${slug(name)}` : '',
    about: several ? `, ${name}` : '',
  }))
}

/** Text as a part of a file's name: letters, digits and dashes. */
export const slug = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')

/** A figure of one result: its name is unlike that of another result of the same bench. */
export function figureOf(
  id: string,
  of: ReportedResult,
  results: readonly ReportedResult[],
  rest: Pick<Figure, 'spec' | 'caption'> & { readonly title: string },
): Figure {
  const alike = results.filter(({ result }) => result.bench === of.result.bench)
  const name = alike.length > 1 ? `${id}-${alike.indexOf(of) + 1}` : id
  return { ...rest, name, title: `${rest.title}: ${machineName(of)}`, sources: [of.source] }
}

/** Results of some benches. */
export const ofBench = (results: readonly ReportedResult[], ...benches: string[]) =>
  results.filter(({ result }) => benches.includes(result.bench))
