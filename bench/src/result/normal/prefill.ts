import type { PeersCases, PrefillCases } from '../schema/gpu-cases.ts'
import type { MeasuredCase } from '../schema/measured-case.ts'
import { ratioParts, subjectParts } from './subject.ts'

/** Cases of benches "prefill" and "peers"; `length` is tokens of the prompt. */
export function prefillCase(one: PrefillCases | PeersCases): MeasuredCase[] {
  if ('torch' in one) return []
  if ('ratio' in one) {
    const { name, length: tokens, ratio } = one
    return [{ name, parameters: { ...ratioParts(name), tokens }, metrics: { speedRatio: ratio } }]
  }
  if ('scatter' in one) {
    const { cache, scatter } = one
    return [
      { name: `scatter of ${cache}`, parameters: { cache }, metrics: { scatterShare: scatter } },
    ]
  }
  const { name, length: tokens, phase, summary, samples, maxError } = one
  return [
    {
      name: `${name}, ${tokens} tokens, ${phase}`,
      parameters: { ...subjectParts(name), tokens, phase },
      metrics: summary,
      samples: { ms: samples.ms },
      ...(maxError !== undefined && { maxError }),
    },
  ]
}
