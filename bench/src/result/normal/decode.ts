import type { DecodeCases } from '../schema/gpu-cases.ts'
import type { MeasuredCase } from '../schema/measured-case.ts'
import { ratioParts, subjectParts } from './subject.ts'

/** Cases of bench "decode"; `length` is tokens in the cache of each sequence. */
export function decodeCase(one: DecodeCases): MeasuredCase[] {
  const { name, sequences, length: tokens } = one
  const batch = { sequences, tokens }
  if ('ratio' in one) {
    return [
      { name, parameters: { ...ratioParts(name), ...batch }, metrics: { speedRatio: one.ratio } },
    ]
  }
  if ('scatter' in one) {
    return Object.entries(one.scatter).map(([cache, scatterShare]) => ({
      name: `scatter of ${cache}, ${sequences} x ${tokens}`,
      parameters: { cache, ...batch },
      metrics: { scatterShare },
    }))
  }
  const { bytes, maxError, samples, summary } = one
  const { ms, gigabytesPerSecond, gigabytesPerSecondPerGhz } = summary
  return [
    {
      name: `${name}, ${sequences} x ${tokens}`,
      parameters: { ...subjectParts(name), ...batch },
      metrics: {
        gbPerSecond: gigabytesPerSecond,
        ms,
        ...(gigabytesPerSecondPerGhz && { gbPerSecondPerGhz: gigabytesPerSecondPerGhz }),
        kvBytes: bytes,
      },
      samples: { ms: samples.ms },
      maxError,
    },
  ]
}
