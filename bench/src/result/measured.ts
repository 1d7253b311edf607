import type { MeasuredCase } from './schema/measured-case.ts'
import type { Result } from './schema/result.ts'

/** A case, and its place in its file. */
export interface PlacedCase extends MeasuredCase {
  /** Index into `cases` of the file. */
  readonly index: number
}

/** The cases of a result with their places. */
export function placedCases({ cases }: Result): PlacedCase[] {
  return cases.map((one, index) => ({ ...one, index }))
}
