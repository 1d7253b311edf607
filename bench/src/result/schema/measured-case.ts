import { Type, type Static } from 'typebox'

import { metricKeyPattern } from '../units.ts'
import { closed, Latencies, named, NumberOrNull, Samples, Summary, Text } from './parts.ts'

/** What tells a case from the others: `{ backend: 'fa3', cache: 'paged 16', tokens: 8192 }`. */
export const Parameters = named(
  Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]),
)

/** A metric: a median with its interval, percentiles, or a number that was taken once. */
export const Metric = Type.Unsafe<Summary | Latencies | number | null>({
  if: { type: 'object' },
  // One precise complaint, where a union would list those of every form.
  then: { if: { required: ['median'] }, then: Summary, else: Latencies },
  else: NumberOrNull,
})
export type Metric = Static<typeof Metric>

/** One thing that was measured. Keys of `metrics` end in their unit (units.ts). */
export const MeasuredCase = closed({
  /** For people. */
  name: Text,
  parameters: Parameters,
  metrics: Type.Unsafe<Record<string, Metric>>({
    type: 'object',
    minProperties: 1,
    propertyNames: { pattern: metricKeyPattern },
    additionalProperties: Metric,
  }),
  /** What the metrics were made of, by keys with units. */
  samples: Type.Optional(named(Samples)),
  /** How fast the machine itself was before and after: as `machine` of the result, medians. */
  machine: Type.Optional(
    Type.Unsafe<Record<string, number | null>>({
      type: 'object',
      propertyNames: { pattern: metricKeyPattern },
      additionalProperties: NumberOrNull,
    }),
  ),
  /** Largest error beside the oracle, as a part of the row's largest number. */
  maxError: Type.Optional(NumberOrNull),
})
export type MeasuredCase = Static<typeof MeasuredCase>
