import { Type, type Static, type TSchema } from 'typebox'

/** An object that has these keys and no others. */
export function closed<P extends Record<string, TSchema>>(properties: P) {
  return Type.Object(properties, { additionalProperties: false })
}

/** A number, or null where there is none: NaN is never written. */
export const NumberOrNull = Type.Unsafe<number | null>({ type: ['number', 'null'] })

export const Text = Type.String({ minLength: 1 })
export const Count = Type.Integer({ minimum: 0 })

/** An object with names of its own and values of one kind. */
export function named<T extends TSchema>(value: T) {
  return Type.Unsafe<Record<string, Static<T>>>({ type: 'object', additionalProperties: value })
}

/** Median with interval and spread, in the unit of the key that holds it. */
const SummaryForm = closed({
  /** Samples; null: not known. */
  n: Type.Union([Count, Type.Null()]),
  median: NumberOrNull,
  /** Of the median's 95 % bootstrap interval. */
  low: NumberOrNull,
  high: NumberOrNull,
  p10: Type.Optional(NumberOrNull),
  p90: Type.Optional(NumberOrNull),
  min: Type.Optional(NumberOrNull),
  max: Type.Optional(NumberOrNull),
  p50: Type.Optional(NumberOrNull),
  p99: Type.Optional(NumberOrNull),
  p999: Type.Optional(NumberOrNull),
})
export type Summary = Static<typeof SummaryForm>

/** Percentiles of what a serving loop waits for, in the unit of the key that holds them. */
const LatenciesForm = closed({
  n: Count,
  p50: NumberOrNull,
  p90: Type.Optional(NumberOrNull),
  p99: NumberOrNull,
  p999: Type.Optional(NumberOrNull),
  max: NumberOrNull,
})
export type Latencies = Static<typeof LatenciesForm>

/** One number for each sample; null where a sample has none. */
export const Samples = Type.Array(NumberOrNull)

/** What the forms below stand for, where they are used: `$defs` of the result's schema. */
export const sharedForms = { Summary: SummaryForm, Latencies: LatenciesForm }

export const Summary = Type.Unsafe<Summary>({ $ref: '#/$defs/Summary' })
export const Latencies = Type.Unsafe<Latencies>({ $ref: '#/$defs/Latencies' })
