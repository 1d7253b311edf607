import { formatNumber } from '../format.ts'
import { latenciesOf, machineName, text, type ReportedResult } from '../question.ts'
import { largest, range, subject, valueOf, valuesOf, type Headline } from './headline.ts'

/** Ours beside what one would take instead, by peer. */
export function peers(of: ReportedResult): Headline[] {
  const ratios = of.cases.filter(({ metrics }) => 'speedRatio' in metrics)
  const names = [...new Set(ratios.map((one) => text(one, 'over')))]
  return names.flatMap((name) => {
    const own = ratios.filter((one) => text(one, 'over') === name)
    const values = valuesOf(own, 'speedRatio')
    if (values.length === 0) return []
    const ours = [...new Set(own.map((one) => text(one, 'of')))].join(', ')
    return {
      about: `Against ${name}`,
      value: range(values),
      unit: '×',
      detail: `${ours}; ${values.length} medians, ${machineName(of)}; above 1, ours is faster`,
      source: of.source,
    }
  })
}

/** What a pass costs the thread that calls. */
export function overhead(of: ReportedResult): Headline[] {
  const worst = largest(of.cases, 'totalUs')
  if (!worst) return []
  const native = valueOf(worst.one, 'nativeTotalUs')
  const beside = native === null ? '' : `; ${formatNumber(native)} µs from C++`
  return [
    {
      about: 'Calling thread, prepare and a run of each layer',
      value: formatNumber(worst.value),
      unit: 'µs',
      detail: `${subject(worst.one)}, ${text(worst.one, 'sequences')} sequences, ${text(worst.one, 'layers')} layers${beside}: the slowest`,
      source: of.source,
    },
  ]
}

/** Our launches beside upstream's own, and mapped pages beside an allocation. */
export function launch(of: ReportedResult): Headline[] {
  const against = (about: string, over: string): Headline[] => {
    const values = valuesOf(
      of.cases.filter((one) => text(one, 'over') === over),
      'speedRatio',
    )
    if (values.length === 0) return []
    return [
      {
        about,
        value: range(values),
        unit: '×',
        detail: `${values.length} medians of backends and tasks, from C++; below 1, ours is slower`,
        source: of.source,
      },
    ]
  }
  return [
    ...against('Our launches against upstream’s own', 'raw'),
    ...against('The same kernel over mapped pages against cudaMalloc', 'cudaMalloc'),
  ]
}

/** The engine over contiguous caches against paged ones, at once. */
export function serveOffline(of: ReportedResult): Headline[] {
  const values = valuesOf(
    of.cases.filter((one) => /^paged-/.test(text(one, 'over')) && !/^paged-/.test(text(one, 'of'))),
    'speedRatio',
  )
  const best = largest(of.cases, 'outputTokensPerSecond')
  return [
    ...(values.length > 0
      ? [
          {
            about: 'Engine offline, contiguous against paged',
            value: range(values),
            unit: '×',
            detail: `makespans, ${values.length} medians; above 1, contiguous is faster`,
            source: of.source,
          },
        ]
      : []),
    ...(best
      ? [
          {
            about: 'Engine offline, at best',
            value: formatNumber(best.value),
            unit: 'tokens/s',
            detail: `output, ${text(best.one, 'cache')}, ${text(best.one, 'trace')}, ${machineName(of)}`,
            source: of.source,
          },
        ]
      : []),
  ]
}

/** Goodput, and the time to the first token beside it. */
export function serveOnline(of: ReportedResult): Headline[] {
  const best = largest(of.cases, 'goodputRequestsPerSecond')
  if (!best) return []
  const ttft = latenciesOf(best.one.metrics.ttftMs)
  const first = ttft ? `; TTFT p50 ${formatNumber(ttft.p50)} ms` : ''
  return [
    {
      about: 'Engine online, best goodput',
      value: formatNumber(best.value),
      unit: 'requests/s',
      detail: `${text(best.one, 'cache')}, ${text(best.one, 'trace')}, ${text(best.one, 'arrivals')}${first}`,
      source: of.source,
    },
  ]
}
