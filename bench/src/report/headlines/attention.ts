import { group, least, median } from 'd3-array'

import type { PlacedCase } from '../../result/index.ts'
import { datasheetOf } from '../datasheet.ts'
import { formatNumber, formatShare, formatTokens } from '../format.ts'
import { backendName, machineName, number, text, type ReportedResult } from '../question.ts'
import { batchName } from '../questions/decode.ts'
import { largest, range, subject, valuesOf, type Headline } from './headline.ts'

/** The best rate, and contiguous against paged with the same kernel. */
export function prefill(of: ReportedResult): Headline[] {
  const held = largest(
    of.cases.filter(({ parameters }) => parameters.phase === 'sustained'),
    'tflops',
  )
  const burst = largest(
    of.cases.filter(({ parameters }) => parameters.phase === 'burst'),
    'tflops',
  )
  const found: Headline[] = []
  const peak = datasheetOf(of.result.device?.name)?.matrixTflops
  if (held && burst) {
    found.push({
      about: 'Prefill, at best',
      value: `${formatNumber(held.value)} – ${formatNumber(burst.value)}`,
      unit: 'TFLOP/s',
      detail: `${subject(held.one)}: sustained (${formatTokens(number(held.one, 'tokens'))}) to burst (${formatTokens(number(burst.one, 'tokens'))})${peak ? `; ${formatShare(burst.value / peak)} of the data sheet's peak in a burst` : ''}`,
      source: of.source,
    })
  }
  const best = largest(
    of.cases.filter(({ parameters }) => parameters.phase === 'rounds'),
    'gflops',
  )
  if (best) {
    found.push({
      about: 'Prefill, at best',
      value: formatNumber(best.value),
      unit: 'GFLOP/s',
      detail: `${subject(best.one)}, ${formatTokens(number(best.one, 'tokens'))}, ${machineName(of)}`,
      source: of.source,
    })
  }
  // The same backend on both sides: what layout alone does.
  const same = of.cases.filter((one) => {
    const [a, b] = [text(one, 'of'), text(one, 'over')]
    const [, backend] = /^(\S+) (?:interleaved|split)$/.exec(a) ?? []
    return backend !== undefined && b.startsWith(`${backend} paged`)
  })
  for (const [backend, ratios] of group(same, (one) => text(one, 'over').split(' ')[0]!)) {
    // Of its block sizes the one that it is fastest over.
    const best = least(group(ratios, (one) => text(one, 'over')).values(), (own) =>
      median(valuesOf(own, 'speedRatio')),
    )
    const values = valuesOf(best ?? [], 'speedRatio')
    if (!best || values.length === 0) continue
    const lengths = new Set(best.map((one) => number(one, 'tokens'))).size
    const blocks = text(best[0]!, 'over').slice(backend.length + 1)
    found.push({
      about: `Prefill, ${backendName(backend)}: contiguous against its best blocks`,
      value: range(values),
      unit: '×',
      detail: `${blocks}, ${lengths === 1 ? 'one prompt length' : `medians of ${lengths} prompt lengths`}; above 1, contiguous is faster`,
      source: of.source,
    })
  }
  return found
}

/** The best bandwidth, and contiguous against paged. */
export function decode(of: ReportedResult): Headline[] {
  const found: Headline[] = []
  const best = largest(of.cases, 'gbPerSecond')
  const peak = datasheetOf(of.result.device?.name)?.memoryGbPerSecond
  if (best) {
    found.push({
      about: 'Decode, at best',
      value: formatNumber(best.value >= 1000 ? best.value / 1000 : best.value),
      unit: best.value >= 1000 ? 'TB/s' : 'GB/s',
      detail: `${subject(best.one)}, ${batchName(best.one)} tokens${peak ? `; ${formatShare(best.value / peak)} of the data sheet's bandwidth` : ''}`,
      source: of.source,
    })
  }
  const against = (about: string, cases: readonly PlacedCase[]) => {
    const values = valuesOf(cases, 'speedRatio')
    if (values.length === 0) return
    const batches = new Set(cases.map(batchName)).size
    found.push({
      about: `Decode, ${about}`,
      value: range(values),
      unit: '×',
      detail: `medians of ${batches} batches; above 1, the first is faster`,
      source: of.source,
    })
  }
  const ratios = of.cases.filter(
    (one) => /\b(split|interleaved)\S*$/.test(text(one, 'of')) && 'speedRatio' in one.metrics,
  )
  const over = (pattern: RegExp) => ratios.filter((one) => pattern.test(text(one, 'over')))
  for (const name of new Set(ratios.map((one) => text(one, 'of').split(' ')[0]!))) {
    const own = over(/ paged \d+$/).filter(
      (one) => text(one, 'of').startsWith(`${name} `) && text(one, 'over').startsWith(`${name} `),
    )
    against(`${backendName(name)}: contiguous against paged`, own)
  }
  against('contiguous against PagedAttention', over(/^paged-attention /))
  against('contiguous against plain reading', over(/^(sequential read|device copy)$/))
  return found
}

/** What interleaving costs. */
export function layout(of: ReportedResult): Headline[] {
  return ['decode', 'prefill'].flatMap((task) => {
    const values = valuesOf(
      of.cases.filter(
        (one) =>
          text(one, 'task') === task &&
          / interleaved(\/|$)/.test(text(one, 'of')) &&
          / split(\/|$)/.test(text(one, 'over')),
      ),
      'speedRatio',
    )
    if (values.length === 0) return []
    return {
      about: `Interleaved against split layers, ${task}`,
      value: range(values),
      unit: '×',
      detail: `${values.length} medians, pages of the same size; below 1, interleaving costs`,
      source: of.source,
    }
  })
}
