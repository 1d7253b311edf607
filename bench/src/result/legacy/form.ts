import type { TSchema } from 'typebox'

import type { Bar, Result } from '../schema/result.ts'

/** A form that result files had before there was one for all. */
export interface LegacyForm {
  /** For people: what the file says that it is. */
  readonly name: string
  /** A key that files of this form have and no others. */
  readonly key: string
  readonly schema: TSchema
  /** The same in the form of today; `value` satisfies `schema`. */
  migrate(value: unknown): Result
}

/** A form whose value is typed. */
export function legacyForm<T>(
  name: string,
  key: string,
  schema: TSchema,
  migrate: (value: T) => Result,
): LegacyForm {
  return { name, key, schema, migrate: (value) => migrate(value as T) }
}

/** A bar, judged: older files held the numbers only. */
export function judged(
  kind: Bar['kind'],
  name: string,
  value: number,
  bar: number,
  unit?: string,
): Bar {
  const met = kind === 'atLeast' ? value >= bar : value <= bar
  return { name, value, kind, bar, met, ...(unit !== undefined && { unit }) }
}
