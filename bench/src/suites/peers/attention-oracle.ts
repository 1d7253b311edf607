import { attentionRow, WrongResult, type FilledCache, type Noise } from '../../harness/index.ts'

// As for our own backends: a part of the row's largest number, and beyond.
const mostError = 0.02
const leastError = 1e-4

/** A row of output: of which sequence, and which of its new tokens. */
export type OutputPlace = readonly [sequence: number, row: number]

/** First, middle and last rows of the first and last sequence, or their last rows alone. */
export function checkedPlaces(sequences: number, query: number, thorough: boolean): OutputPlace[] {
  const rows = thorough ? [0, Math.floor(query / 2), query - 1] : [query - 1]
  return [...new Set([0, sequences - 1])].flatMap((sequence) =>
    [...new Set(rows)].map((row): OutputPlace => [sequence, row]),
  )
}

/**
 * Compares rows of the first layer's output with attention in double precision, in the first and the
 * last head.
 *
 * @param places `[rows]`
 * @param rows `[rows][queryHeads * headDim]`
 * @param query New tokens of each sequence.
 * @returns the largest error, as a part of the row's largest number
 * @throws WrongResult when it is too large
 */
export function checkRows(
  filled: FilledCache,
  queries: Noise,
  query: number,
  places: readonly OutputPlace[],
  rows: readonly (readonly number[])[],
): number {
  const { queryHeads, kvHeads, headDim } = filled.shape
  let worst = 0
  for (const [i, [sequence, row]] of places.entries()) {
    for (const head of new Set([0, queryHeads - 1])) {
      const kvHead = Math.floor(head / (queryHeads / kvHeads))
      const of = (kind: 0 | 1) => (token: number) =>
        filled.noise.head(filled.noiseRow(0, kind, sequence, token), kvHead)
      const queryRow = queries.head((sequence * query + row) % queries.rows, head)
      const expected = attentionRow(queryRow, filled.length - query + row + 1, of(0), of(1))
      const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      for (const [j, value] of expected.entries()) {
        const got = rows[i]?.[head * headDim + j] ?? NaN
        const error = Math.abs(got - value)
        // NaN too.
        if (!(error <= mostError * scale + leastError)) {
          throw new WrongResult(
            `sequence ${sequence}, row ${row}, head ${head}: ${got} instead of ${value}`,
          )
        }
        worst = Math.max(worst, error / scale)
      }
    }
  }
  return worst
}
