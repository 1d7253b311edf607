import { Type, type Static } from 'typebox'

import { metricKeyPattern } from '../units.ts'
import {
  closed,
  formByKey,
  Latencies,
  named,
  NumberOrNull,
  Samples,
  Summary,
  Text,
} from './parts.ts'

/** What tells a case from the others: `{ backend: 'fa3', cache: 'paged 16', tokens: 8192 }`. */
export const Parameters = named(
  Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]),
)

/** A metric: a median with its interval, percentiles, or a number that was taken once. */
export const Metric = Type.Unsafe<Summary | Latencies | number | null>({
  if: { type: 'object' },
  then: formByKey([['median', Summary]], Latencies),
  else: NumberOrNull,
})
export type Metric = Static<typeof Metric>

/**
 * The form of a case that every bench may use and everything else is read as. Keys of `metrics` end
 * in their unit (units.ts).
 */
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
  /** Largest error beside the oracle, as a part of the row's largest number. */
  maxError: Type.Optional(NumberOrNull),
})
export type MeasuredCase = Static<typeof MeasuredCase>
