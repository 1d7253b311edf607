import { group } from 'd3-array'

import { barsOf } from './bars.ts'
import { fileName, formatNumber } from './format.ts'
import type { ReportedResult } from './question.ts'

/** What a reader must not conclude, and from which file that is known. */
export interface Limit {
  readonly text: string
  readonly source: string
}

/** Bits of `throttleBits` that cost clocks, as NVML names them. */
const slowing: readonly (readonly [bit: number, what: string])[] = [
  [0x4, 'the power limit'],
  [0x8, 'a hardware slowdown'],
  [0x20, 'the temperature (software)'],
  [0x40, 'the temperature (hardware)'],
  [0x80, 'the power brake'],
]

function throttled({ source, result }: ReportedResult): Limit[] {
  const masks = result.cases.flatMap(({ samples }) =>
    (samples?.throttleBits ?? []).filter((bits) => bits !== null),
  )
  const reasons = slowing
    .filter(([bit]) => masks.some((mask) => mask & bit))
    .map(([, what]) => what)
  if (reasons.length === 0) return []
  return [
    {
      text: `Clocks were held down by ${reasons.join(' and ')} during some samples: absolute rates depend on that, ratios within rounds do not.`,
      source,
    },
  ]
}

function ofResult(one: ReportedResult): Limit[] {
  const { source, result, cases } = one
  const say = (text: string): Limit => ({ text, source })
  const across = cases.filter(({ metrics }) => {
    const ratio = metrics.speedRatio ?? metrics.timeRatio
    if (typeof ratio !== 'object' || ratio === null || !('median' in ratio)) return false
    return ratio.low !== null && ratio.high !== null && ratio.low <= 1 && ratio.high >= 1
  })
  const few = cases.filter(({ metrics }) =>
    Object.values(metrics).some((metric) => {
      if (typeof metric !== 'object' || metric === null || !('median' in metric)) return false
      return metric.n !== null && metric.n < 5
    }),
  )
  const rare = cases.filter(({ metrics }) =>
    Object.values(metrics).some(
      (metric) =>
        typeof metric === 'object' && metric !== null && !('median' in metric) && metric.n < 1000,
    ),
  )
  const names = (list: readonly { name: string }[]) => {
    const shown = list.slice(0, 4).map(({ name }) => name)
    return `${shown.join('; ')}${list.length > shown.length ? `; and ${list.length - shown.length} more` : ''}`
  }
  const [load = 0] = result.host.loadAverage
  return [
    ...(result.label === 'smoke'
      ? [say('A smoke run: it tells that the bench works, and none of its figures counts.')]
      : []),
    ...(result.dirty === true
      ? [
          say(
            `The tree had changes on top of commit ${result.commit}: the figures may not be those of that commit.`,
          ),
        ]
      : []),
    ...(result.dirty === null
      ? [say(`Whether the tree had changes on top of commit ${result.commit} was not recorded.`)]
      : []),
    ...(load > result.host.cores / 2
      ? [
          say(
            `The load average was ${formatNumber(load)} on ${result.host.cores} cores when it began: other work may have slowed it.`,
          ),
        ]
      : []),
    ...throttled(one),
    ...(across.length > 0
      ? [
          say(
            `No difference is shown where the interval of a ratio has 1 inside (${across.length}): ${names(across)}.`,
          ),
        ]
      : []),
    ...(few.length > 0 ? [say(`Fewer than five samples (${few.length}): ${names(few)}.`)] : []),
    ...(rare.length > 0
      ? [say(`p99 of fewer than 1000 calls (${rare.length}): ${names(rare)}.`)]
      : []),
    ...[...group(result.skipped, ({ reason }) => reason)].map(([reason, all]) =>
      say(`Not measured (${reason}): ${all.map(({ case: name }) => name).join('; ')}.`),
    ),
  ]
}

/** What cannot be concluded from some results. */
export function limitsOf(results: readonly ReportedResult[]): Limit[] {
  const undecided = barsOf(results).filter(({ state }) => state === 'undecided')
  const sources = [...new Set(undecided.map(({ source }) => source))]
  return [
    ...sources.map((source) => {
      const bars = undecided.filter((one) => one.source === source)
      const names = bars.map(({ name }) => name).join('; ')
      return {
        text: `Neither met nor missed, since the interval has the bar inside (${bars.length}): ${names}.`,
        source,
      }
    }),
    ...results.flatMap(ofResult),
  ]
}

/** Limits of one file, for a list by file. */
export const limitsByFile = (limits: readonly Limit[]) =>
  [...new Set(limits.map(({ source }) => source))].map((source) => ({
    file: fileName(source),
    texts: [...new Set(limits.filter((one) => one.source === source).map(({ text }) => text))],
  }))
