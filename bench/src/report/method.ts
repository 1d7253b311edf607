import { metricWords, unitOf, type Gauges, type Result } from '../result/index.ts'
import { fileName, formatBytes, formatNumber } from './format.ts'
import { html, type Markup } from './html/html.ts'
import { machineName, type ReportedResult } from './question.ts'

function words(value: unknown): string {
  if (value === null || value === undefined) return 'not known'
  if (Array.isArray(value)) return value.map(words).join(', ')
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([key, inner]) => `${key} ${words(inner)}`)
      .join(', ')
  }
  // Seeds and lengths are names as much as numbers.
  if (typeof value === 'number' && !Number.isInteger(value)) return formatNumber(value)
  return String(value as string | number | boolean)
}

const spaced = (key: string) => key.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()

const entry = (name: string, value: string | Markup) =>
  html`<dt>${name}</dt>
    <dd>${value}</dd> `

function device({ device }: Result): Markup {
  if (!device) return entry('Device', 'CPU')
  const { clocksBefore, clocksAfter } = device
  const clocks = (of: typeof clocksBefore) =>
    of
      ? `SM ${of.smClockMhz ?? '–'} MHz, memory ${of.memoryClockMhz ?? '–'} MHz, ${formatNumber(of.powerW)} W, ${formatNumber(of.temperatureC)} °C, reasons ${of.throttleReasons ?? 'not known'}`
      : 'not known'
  return html`${entry(
    'Device',
    `${device.name}, compute capability ${device.computeCapability}, ${formatBytes(device.memoryBytes)}, at most ${device.maxSmClockMhz ?? '–'} MHz and ${formatNumber(device.powerLimitW)} W`,
  )}${entry('Driver', `${device.driver ?? 'not known'}, CUDA ${device.cuda ?? 'not known'}`)}${entry('Clocks before', clocks(clocksBefore))}${entry('Clocks after', clocks(clocksAfter))}`
}

const gauges = (machine: Gauges) =>
  Object.entries(machine)
    .map(([gauge, { median, p10, p90 }]) => {
      const [at, from, to] = [median, p10 ?? null, p90 ?? null].map(formatNumber)
      return `${metricWords(gauge)} ${at} ${unitOf(gauge).symbol} (p10 to p90: ${from} to ${to})`
    })
    .join(', ')

/** How one result was measured, from its file alone. */
export function methodOf(of: ReportedResult): Markup {
  const { result } = of
  const { host, libraries, machine, protocol, workload } = result
  const { upstream, ...packages } = libraries
  const dirty =
    result.dirty === null ? ' (changes: not known)' : result.dirty ? ', with changes' : ''
  return html`<details>
    <summary>
      <b>${fileName(of.source)}</b>: ${result.what}
      <span class="quiet">${machineName(of)}, ${result.startedAt.slice(0, 10)}</span>
    </summary>
    <dl>
      ${entry('Command', html`<code>${result.command}</code>`)}${entry('Commit', `${result.commit}${dirty}`)}${entry(
        'Begun',
        `${result.startedAt}, took ${result.seconds === null ? 'an unknown time' : `${formatNumber(result.seconds)} s`}`,
      )}${entry('Label', result.label)}${device(result)}${entry(
        'Host',
        `${host.cpu}, ${host.cores} cores, ${formatBytes(host.memoryBytes)}, ${host.os}, Node ${host.node}, load average ${host.loadAverage.map((one) => formatNumber(one)).join(' ')}${host.isa ? `, ${host.isa.join(' ')}` : ''}`,
      )}${machine ? entry('Machine', gauges(machine)) : null}${Object.entries(protocol).map(([key, value]) => entry(spaced(key), words(value)))}${entry(
        'Workload',
        words(workload),
      )}${entry('Packages', words(packages))}${upstream ? entry('Upstream', words(upstream)) : null}
    </dl>
  </details>`
}
