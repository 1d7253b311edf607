import { formatNumber, formatShare } from '../report/format.ts'
import { metricWords, unitOf } from '../result/index.ts'
import type { ComparedMetric, Comparison } from './compare.ts'
import type { MachineChange } from './machine.ts'
import { placeOf, type ComparisonSet } from './sets.ts'

function line({ caseName, metric, unit, a, b, worseBy, limit }: ComparedMetric): string {
  const values = `${formatNumber(a.value)} -> ${formatNumber(b.value)} ${unit.symbol}`.trimEnd()
  const by = worseBy === null ? '' : `, ${formatShare(Math.abs(worseBy))}`
  const noise = limit === null ? '' : ` (counts from ${formatShare(limit)})`
  return `  ${caseName}, ${metric}: ${values}${by}${noise}`
}

/**
 * A change of the machine in words: `copying: 10 -> 8 GB/s, 25.0 % slower`.
 *
 * @param then Between the two rates.
 */
export const machineText = ({ gauge, a, b, slowerBy }: MachineChange, then = ' -> ') =>
  `${metricWords(gauge)}: ${formatNumber(a)}${then}${formatNumber(b)} ${unitOf(gauge).symbol}, ` +
  `${formatShare(Math.abs(slowerBy))} ${slowerBy > 0 ? 'slower' : 'faster'}`

/**
 * A comparison for a terminal: what is slower, what is faster, and how many metrics moved no more
 * than by noise.
 */
export function comparisonText(comparison: Comparison): string {
  const { a, b, metrics, onlyInA, onlyInB } = comparison
  const of = (verdict: string) => metrics.filter((one) => one.verdict === verdict)
  const part = (title: string, lines: readonly string[]) =>
    lines.length > 0 ? [`${title}:`, ...lines] : []
  const text = [
    `a: ${a.source} (${a.result.commit}, ${a.result.startedAt})`,
    `b: ${b.source} (${b.result.commit}, ${b.result.startedAt})`,
    ...part(
      'Doubts',
      comparison.doubts.map((doubt) => `  ${doubt}`),
    ),
    ...part(
      'The machine itself, which widens limits',
      comparison.machine.map((change) => `  ${machineText(change)}`),
    ),
    ...part('Slower', of('slower').map(line)),
    ...part('Faster', of('faster').map(line)),
    ...part(
      'Only in a',
      onlyInA.map((name) => `  ${name}`),
    ),
    ...part(
      'Only in b',
      onlyInB.map((name) => `  ${name}`),
    ),
    `${of('slower').length} slower, ${of('faster').length} faster, ` +
      `${of('same').length} the same within noise, ${of('unjudged').length} not judged`,
  ]
  return `${text.join('\n')}\n`
}

/** Comparisons for a terminal, one after the other, and what they come to together. */
export function comparisonSetText({
  comparisons,
  doubts,
  onlyInA,
  onlyInB,
}: ComparisonSet): string {
  const lines = (title: string, names: readonly string[]) =>
    names.length > 0 ? [`${title}:`, ...names.map((name) => `  ${name}`)] : []
  const all = comparisons.flatMap(({ metrics }) => metrics)
  const count = (verdict: string) => all.filter((one) => one.verdict === verdict).length
  const slower = comparisons.filter(({ exitStatus }) => exitStatus === 3)
  const ends = [
    ...lines('Doubts', doubts),
    ...lines('Only in a', onlyInA),
    ...lines('Only in b', onlyInB),
    ...lines(
      'With something slower',
      slower.map(({ a }) => placeOf(a)),
    ),
    `${comparisons.length} comparisons: ${count('slower')} slower, ${count('faster')} faster, ` +
      `${count('same')} the same within noise, ${count('unjudged')} not judged`,
  ]
  const each = comparisons.map((one) => `${placeOf(one.a)}\n${comparisonText(one)}`)
  return `${[...each, ends.join('\n')].join('\n')}\n`
}
