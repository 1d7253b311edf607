import { formatNumber, formatShare } from '../format.ts'
import { latenciesOf, machineName, number, text, type ReportedResult } from '../question.ts'
import { isCapped } from '../questions/fragmentation.ts'
import { largest, range, valueOf, valuesOf, type Headline } from './headline.ts'

/** The slowest step of a cache as it is used; those without mapper are there for comparison. */
export function step(of: ReportedResult): Headline[] {
  const worst = of.cases
    .flatMap((one) => {
      const { mapper, aheadTokens, part } = one.parameters
      if (part === 'iterations' || mapper !== true || aheadTokens === 1) return []
      const p99 = latenciesOf(one.metrics.stepUs)?.p99 ?? null
      return p99 === null ? [] : [{ one, p99 }]
    })
    .sort((a, b) => b.p99 - a.p99)[0]
  if (!worst) return []
  return [
    {
      about: 'Step of the memory manager, p99',
      value: formatNumber(worst.p99),
      unit: 'µs',
      detail: `${text(worst.one, 'sequences')} sequences, ${text(worst.one, 'load')}: the slowest of the loads`,
      source: of.source,
    },
  ]
}

/** What mapping a page costs, and how many mappings live. */
export function vmm(of: ReportedResult): Headline[] {
  const calls = of.cases.filter(
    ({ parameters: { call, handles, round } }) =>
      handles === 1 &&
      !String(round).includes(' x ') &&
      (call === 'mapAndSetAccess' || call === 'setAccess' || call === 'map'),
  )
  // Where mapping takes two calls, the second is what costs.
  const call = calls.some((one) => text(one, 'call') === 'setAccess')
    ? 'setAccess'
    : 'mapAndSetAccess'
  const own = calls
    .filter((one) => text(one, 'call') === call)
    .sort((a, b) => number(a, 'pageBytes') - number(b, 'pageBytes'))
  const p50 = valuesOf(own, 'callUs')
  const ceiling = of.cases.find(({ parameters }) => parameters.part === 'ceiling')
  const live = ceiling && valueOf(ceiling, 'liveMappingsCount')
  return [
    ...(p50.length > 0
      ? [
          {
            about: `Driver: ${call} of one page, p50`,
            value: range(p50, 1),
            unit: 'µs',
            detail: `${own.map((one) => text(one, 'round')).join(', ')}; ${machineName(of)}`,
            source: of.source,
          },
        ]
      : []),
    ...(typeof live === 'number'
      ? [
          {
            about: 'Mappings that live together',
            value: `${text(ceiling!, 'end') === 'driver' ? '' : '≥ '}${formatNumber(live)}`,
            unit: '',
            detail: `ended by the ${text(ceiling!, 'end')}; ${machineName(of)}`,
            source: of.source,
          },
        ]
      : []),
  ]
}

/** Fresh memory for prompts beside what a model needs. */
export function allocate(of: ReportedResult): Headline[] {
  const fresh = of.cases.filter(({ parameters }) => parameters.memory === 'fresh')
  const best = largest(fresh, 'readyGbPerSecond')
  if (!best) return []
  const needed = valuesOf(of.cases, 'growthGbPerSecond')
  const beside =
    needed.length > 0 ? `; a model fills ${formatNumber(Math.max(...needed))} GB/s at most` : ''
  return [
    {
      about: 'Prompts backed by fresh pages, at best',
      value: formatNumber(best.value),
      unit: 'GB/s',
      detail: `${text(best.one, 'cache')}, ${text(best.one, 'pageClasses')}${beside}`,
      source: of.source,
    },
  ]
}

/** What attention loses beside a mapper, and what that maps meanwhile. */
export function overlap(of: ReportedResult): Headline[] {
  return ['demand', 'unthrottled'].flatMap((mapping) => {
    const cases = of.cases.filter((one) => text(one, 'mapping') === mapping)
    const values = valuesOf(cases, 'timeRatio')
    const mapped = valuesOf(cases, 'mappedGbPerSecond')
    if (values.length === 0 || mapped.length === 0) return []
    return {
      about: `Attention beside ${mapping} mapping`,
      value: range(values, 3),
      unit: '×',
      detail: `time, ${values.length} medians, ${formatNumber(Math.max(...mapped))} GB/s mapped at most, ${machineName(of)}; below 1 is faster`,
      source: of.source,
    }
  })
}

/** The largest batch of a contiguous cache beside a paged one's and a static one's. */
export function fragmentation(of: ReportedResult): Headline[] {
  const batches = of.cases.filter(
    ({ parameters: { part, sharing } }) => part === 'max-batch' && sharing === false,
  )
  // Where not memory ended one of them, nothing is said about the others.
  const capped = new Set(batches.filter(isCapped).map((one) => text(one, 'trace')))
  const traces = [...new Set(batches.map((one) => text(one, 'trace')))].filter(
    (trace) => !capped.has(trace),
  )
  const against = (about: string, pattern: RegExp): Headline[] => {
    const ratios = traces.flatMap((trace) => {
      const own = batches.filter((one) => text(one, 'trace') === trace)
      const contiguous = largest(
        own.filter((one) => /^(split|interleaved|layer-group)/.test(text(one, 'cache'))),
        'sequencesCount',
      )
      const other = largest(
        own.filter((one) => pattern.test(text(one, 'cache'))),
        'sequencesCount',
      )
      return contiguous && other && other.value > 0 ? [contiguous.value / other.value] : []
    })
    if (ratios.length === 0) return []
    return [
      {
        about: `Largest batch, contiguous against ${about}`,
        value: range(ratios),
        unit: '×',
        detail: `best of each, ${ratios.length} traces; counted`,
        source: of.source,
      },
    ]
  }
  return [...against('paged', /^paged-/), ...against('static reservation', /^static$/)]
}

/** How much of what could be found is found, with the most memory that was tried. */
export function prefix(of: ReportedResult): Headline[] {
  const sharing = of.cases.filter(({ parameters }) => parameters.sharing === true)
  const most = Math.max(...sharing.map((one) => number(one, 'memoryShare')))
  const ample = sharing.filter((one) => number(one, 'memoryShare') === most)
  const kinds = [
    ['contiguous', /^(split|interleaved|layer-group)/],
    ['paged', /^paged-/],
  ] as const
  return kinds.flatMap(([kind, pattern]) => {
    const best = largest(
      ample.filter((one) => pattern.test(text(one, 'cache'))),
      'tokenHitShare',
    )
    const ceiling = best && valueOf(best.one, 'ceilingShare')
    if (!best || typeof ceiling !== 'number') return []
    return {
      about: `Tokens of prompts found in the cache, ${kind}`,
      value: formatShare(best.value),
      unit: '',
      detail: `${text(best.one, 'cache')}, ${text(best.one, 'trace')}, memory for ${formatShare(most)} of its tokens; ${formatShare(ceiling)} with any memory`,
      source: of.source,
    }
  })
}
