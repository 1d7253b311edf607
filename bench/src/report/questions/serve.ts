import type { PlacedCase } from '../../result/index.ts'
import { formatNumber } from '../format.ts'
import { linesSpec, type LinePoint } from '../plot/lines.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import {
  figureOf,
  groupsBy,
  latenciesOf,
  ofBench,
  shown,
  text,
  type Figure,
  type Question,
  type ReportedResult,
} from '../question.ts'
import { percentilesCaption, percentilesSpec } from './percentiles.ts'
import { ratioCaption, ratiosOf, ratioSpec } from './ratios.ts'

/** A cache under the engine, with common beginnings shared or not. */
const cacheName = (one: PlacedCase) =>
  `${text(one, 'cache')}${one.parameters.prefixSharing === true ? ', sharing' : ''}`

const isServed = ({ metrics }: PlacedCase) => 'requestsPerSecond' in metrics

const rounds = 'Medians of rounds with 95 % bootstrap intervals.'

/** The event loop is watched beside requests of no trace. */
const isOfTrace = ({ parameters }: PlacedCase) => 'trace' in parameters

/** A metric of every cache that served: a row each. */
function servedPoints(
  cases: readonly PlacedCase[],
  metric: string,
  series: (one: PlacedCase) => string,
): RowPoint[] {
  return cases.filter(isServed).flatMap((one) => {
    const { value, low, high } = shown(one.metrics[metric])
    return value === null ? [] : [{ row: cacheName(one), series: series(one), value, low, high }]
  })
}

const offlineMetrics = [
  ['makespan', 'Makespan', 'makespanSeconds', 'last completion after the first request, s'],
  ['tokens', 'Throughput', 'outputTokensPerSecond', 'output tokens per second'],
] as const

export const serveOffline: Question = {
  id: 'serve-offline',
  title: 'How long does the engine take for a whole trace?',
  asks: 'All requests at once, over each cache: with ample memory, and with so little that requests are preempted or wait.',
  benches: ['serve-offline'],
  figures: (results) =>
    ofBench(results, 'serve-offline').flatMap((of) =>
      groupsBy(of.cases, 'trace').flatMap(({ cases, suffix, about }): Figure[] => {
        const memory = (one: PlacedCase) => text(one, 'memory')
        const drawn = offlineMetrics.flatMap(([id, title, metric, axis]) => {
          const points = servedPoints(cases, metric, memory)
          if (points.length === 0) return []
          return figureOf(`serve-${id}${suffix}`, of, results, {
            title: `${title}${about}`,
            spec: rowsSpec(points, { axis, bars: true }),
            caption: rounds,
          })
        })
        const ratios = ratiosOf(cases)
        if (ratios.length === 0) return drawn
        return [
          ...drawn,
          figureOf(`serve-offline-ratios${suffix}`, of, results, {
            title: `Makespans compared${about}`,
            spec: ratioSpec(ratios, memory),
            caption: ratioCaption,
          }),
        ]
      }),
    ),
}

/** The rate at which requests came: as it was asked for, and as it was. */
function rateName(one: PlacedCase): string {
  const asked = 'rate' in one.parameters ? '' : `load ${text(one, 'load')}`
  const { value } = shown(one.metrics.achievedArrivalsPerSecond)
  const rate = value === null ? text(one, 'rate') : formatNumber(Number(value.toPrecision(2)))
  return [asked, rate && `${rate}/s`].filter(Boolean).join(', ')
}

const latencies = [
  ['ttft', 'Time to first token', 'ttftMs', 'TTFT, ms (logarithmic)'],
  ['tpot', 'Time per output token', 'tpotMs', 'TPOT, ms (logarithmic)'],
  ['itl', 'Inter-token latency', 'itlMs', 'gap between tokens, ms (logarithmic)'],
  ['e2e', 'End-to-end latency', 'e2eMs', 'E2E, ms (logarithmic)'],
] as const

const latenciesCaption =
  'Percentiles of the requests of all rounds together; a p99 needs 1,000 requests, with fewer the longest is the tail. Latency begins at the scheduled time.'

function onlineFigures(of: ReportedResult, results: readonly ReportedResult[]): Figure[] {
  return groupsBy(of.cases.filter(isServed), 'trace', 'arrivals').flatMap(
    ({ cases, suffix, about }) =>
      latencies.flatMap(([id, title, metric, axis]) => {
        // Rates lie below each other, so that the caches at one rate are side by side.
        const own = [...new Set(cases.map(loadOf))].flatMap((load) =>
          cases.filter((one) => loadOf(one) === load && metric in one.metrics),
        )
        if (own.length === 0) return []
        return figureOf(`serve-${id}${suffix}`, of, results, {
          title: `${title}${about}`,
          spec: percentilesSpec(own, metric, axis, (one) => `${cacheName(one)}\n${rateName(one)}`),
          caption: latenciesCaption,
        })
      }),
  )
}

const loadOf = (one: PlacedCase) => `${text(one, 'load')} ${text(one, 'rate')}`

const overRate = latencies.filter(([id]) => id === 'ttft' || id === 'tpot')

/** Where the rates are several: how latency grows until the engine keeps up no longer. */
function overRateFigures(of: ReportedResult, results: readonly ReportedResult[]): Figure[] {
  return groupsBy(of.cases.filter(isServed), 'trace', 'arrivals').flatMap(
    ({ cases, suffix, about }) => {
      if (new Set(cases.map(loadOf)).size < 2) return []
      return overRate.map(([id, title, metric, axis]) =>
        figureOf(`serve-${id}-over-rate${suffix}`, of, results, {
          title: `${title} over the rate of requests${about}`,
          spec: linesSpec(
            cases.flatMap((one) => overRatePoints(one, metric)),
            { xAxis: 'arrivals per second, as they were', yAxis: axis, over: 'rates', log: true },
          ),
          caption: latenciesCaption,
        }),
      )
    },
  )
}

function overRatePoints(one: PlacedCase, metric: string): LinePoint[] {
  const { value: x } = shown(one.metrics.achievedArrivalsPerSecond)
  const found = latenciesOf(one.metrics[metric])
  if (x === null || !found) return []
  return (['p50', 'p90'] as const).flatMap((dash): LinePoint[] => {
    const y = found[dash]
    return typeof y === 'number' && y > 0
      ? [{ x, y, low: null, high: null, colour: cacheName(one), dash }]
      : []
  })
}

export const serveOnline: Question = {
  id: 'serve-online',
  title: 'How long do requests wait, at a rate of their own?',
  asks: 'Requests come at their times, whether others have ended or not (open loop). Time to the first token, per output token, between tokens, and to the end, over each cache.',
  benches: ['serve-online'],
  figures: (results) =>
    ofBench(results, 'serve-online').flatMap((of) => [
      ...overRateFigures(of, results),
      ...onlineFigures(of, results),
    ]),
}

export const goodput: Question = {
  id: 'goodput',
  title: 'How many requests per second are served well?',
  asks: 'Goodput: completed requests per second that met all limits of the service level, beside the rate at which they came.',
  benches: ['serve-online'],
  figures: (results) =>
    ofBench(results, 'serve-online').flatMap((of) =>
      groupsBy(of.cases.filter(isOfTrace), 'trace', 'arrivals').flatMap((group): Figure[] => {
        const { cases, suffix, about } = group
        const load = (one: PlacedCase) =>
          'load' in one.parameters ? `load ${text(one, 'load')}` : `${text(one, 'rate')}/s`
        const points = servedPoints(cases, 'goodputRequestsPerSecond', load)
        const ratios = ratiosOf(cases)
        return [
          ...(points.length > 0
            ? [
                figureOf(`goodput${suffix}`, of, results, {
                  title: `Goodput${about}`,
                  spec: rowsSpec(points, {
                    axis: 'requests per second',
                    bars: true,
                    marks: arrivalMarks(cases, load),
                  }),
                  caption: `${rounds} ${levelText(of)}`,
                }),
              ]
            : []),
          ...(ratios.length > 0
            ? [
                figureOf(`serve-online-ratios${suffix}`, of, results, {
                  title: `E2E latencies compared${about}`,
                  spec: ratioSpec(ratios, load),
                  caption: ratioCaption,
                }),
              ]
            : []),
        ]
      }),
    ),
}

/** The rates at which requests came: no goodput is more. */
function arrivalMarks(cases: readonly PlacedCase[], load: (one: PlacedCase) => string) {
  const names = [...new Set(cases.filter(isServed).map(load))]
  return names.flatMap((name) => {
    const one = cases.find((each) => isServed(each) && load(each) === name)
    const { value } = shown(one?.metrics.achievedArrivalsPerSecond)
    const label = names.length > 1 ? `arrivals, ${name}` : 'arrivals'
    return value === null ? [] : [{ value, label }]
  })
}

/** The limits that requests were held to, as the result has them. */
function levelText({ result }: ReportedResult): string {
  const level = result.protocol.serviceLevel
  if (typeof level !== 'object' || level === null || Array.isArray(level)) return ''
  const limits = Object.entries(level).map(([key, value]) => `${key} ${String(value)}`)
  return `Limits: ${limits.join(', ')}.`
}

export const servedEventLoop: Question = {
  id: 'serve-event-loop',
  title: 'Does serving block the event loop?',
  asks: 'How late a timer of the same process is while the engine serves chat requests that come at once: what an HTTP server beside it would feel.',
  benches: ['serve-online'],
  figures: (results) =>
    ofBench(results, 'serve-online').flatMap((of): Figure[] => {
      const cases = of.cases.filter(({ metrics }) => 'eventLoopDelayMs' in metrics)
      if (cases.length === 0) return []
      return [
        figureOf('serve-event-loop', of, results, {
          title: 'Event-loop delay',
          spec: percentilesSpec(
            cases,
            'eventLoopDelayMs',
            'delay, ms (logarithmic)',
            (one) => `${cacheName(one)}\n${text(one, 'requests')} requests`,
          ),
          caption: percentilesCaption,
        }),
      ]
    }),
}
