import { unitOf, metricWords, type MeasuredCase, type Result } from '../result/index.ts'
import { shown } from '../report/question.ts'

const number = (value: number | null) =>
  value === null ? 'none' : String(Number(value.toPrecision(4)))

function metricText(key: string, metric: MeasuredCase['metrics'][string]): string {
  const { value, low, high } = shown(metric)
  const interval =
    typeof low === 'number' && typeof high === 'number' ? ` [${number(low)}, ${number(high)}]` : ''
  return `${metricWords(key)} ${number(value)} ${unitOf(key).symbol}${interval}`.trim()
}

/** A result for the terminal: each case in a line, what was skipped, bars. */
export function resultLines({ cases, skipped, bars }: Result): string {
  const lines = cases.map(({ name, metrics }) => {
    const texts = Object.entries(metrics).map(([key, metric]) => metricText(key, metric))
    return `  ${name}: ${texts.join(', ')}`
  })
  for (const { case: name, reason } of skipped) lines.push(`  skipped ${name}: ${reason}`)
  for (const { name, value, kind, bar, unit = '', met } of bars) {
    const verdict = met === null ? 'open' : met ? 'met' : 'MISSED'
    const sign = kind === 'atLeast' ? '>=' : '<='
    lines.push(`  ${verdict}: ${name}: ${number(value)} ${unit} (bar ${sign} ${bar})`)
  }
  return lines.map((line) => `${line}\n`).join('')
}
