import Table from 'cli-table3'

import { formatBytes, formatDuration } from '../cli/units.ts'
import type { CrowdReport } from './serve-crowd.ts'

/** The figures of the runs side by side. */
export function reportTable(reports: readonly CrowdReport[]): string {
  const table = new Table({
    head: ['', ...reports.map(({ name }) => name)],
    style: { head: [], border: [] },
    colAligns: ['left', ...reports.map(() => 'right' as const)],
  })
  const row = (title: string, cell: (report: CrowdReport) => string) =>
    table.push([title, ...reports.map(cell)])
  const pair = ({ p50, p99 }: { p50: number; p99: number }) =>
    `${formatDuration(p50)} / ${formatDuration(p99)}`

  row('output tokens per second', (run) => run.tokensPerSecond.toFixed(1))
  row('time to first token, p50 / p99', (run) => pair(run.firstTokenMs))
  row('between tokens, p50 / p99', (run) => pair(run.interTokenMs))
  row('addresses or pool reserved', ({ stats }) => formatBytes(stats.reservedBytes))
  row('memory held at most', (run) =>
    formatBytes(Math.max(...run.samples.map((s) => s.totalBytes))),
  )
  row('at the busiest moment: sequences', ({ peak }) => String(peak.liveSequences))
  row('  mapped by them', ({ peak }) => formatBytes(peak.mappedBytes))
  row('  used by their tokens', ({ peak }) => formatBytes(peak.usedBytes))
  row('  wasted by granularity', ({ peak }) => {
    const waste = peak.neededBytes - peak.usedBytes
    return `${formatBytes(waste)} (${((100 * waste) / peak.neededBytes).toFixed(1)} %)`
  })
  row('prompt tokens shared', (run) => `${run.cachedTokens} of ${run.promptTokens}`)
  row('  aliased / copied', ({ stats }) => `${stats.aliasedTokens} / ${stats.copiedTokens}`)
  row(
    'steps that mapped synchronously',
    ({ stats }) => `${stats.stepsMappedSync} of ${stats.steps}`,
  )
  row('preemptions', ({ preemptions }) => String(preemptions))
  return table.toString()
}
