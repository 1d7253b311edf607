import { formatNumber, formatShare } from '../report/format.ts'
import type { ComparedMetric, Comparison } from './compare.ts'

function line({ caseName, metric, unit, a, b, worseBy, limit }: ComparedMetric): string {
  const values = `${formatNumber(a.value)} -> ${formatNumber(b.value)} ${unit.symbol}`.trimEnd()
  const by = worseBy === null ? '' : `, ${formatShare(Math.abs(worseBy))}`
  const noise = limit === null ? '' : ` (counts from ${formatShare(limit)})`
  return `  ${caseName}, ${metric}: ${values}${by}${noise}`
}

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
