/**
 * The format of the arXiv summarisation traces:
 * `num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio`. They have no arrivals, and some
 * write whole numbers as floats.
 */
import { tokensOf, type CsvRow } from './csv-rows.ts'
import { traceErrors } from './errors.ts'
import type { TraceRequest } from './trace.ts'

/** The columns, in order. */
export const arxivColumns = [
  'num_prefill_tokens',
  'num_decode_tokens',
  'num_total_tokens',
  'pd_ratio',
] as const

/**
 * Requests of a file of this format; `rows` begins behind the header. The ratio is not read: it
 * follows from the rest, and its writers round it differently.
 *
 * @throws `ERR_VATTENTION_TRACE_FORMAT`, also where the total is not the sum of both.
 */
export async function* arxivRequests(
  rows: AsyncIterable<CsvRow>,
  file: string,
): AsyncGenerator<TraceRequest> {
  for await (const { cells, line } of rows) {
    const tokens = (column: 0 | 1 | 2) =>
      tokensOf(cells[column]!, { file, line, column: arxivColumns[column] })
    const promptTokens = tokens(0)
    const outputTokens = tokens(1)
    if (tokens(2) !== promptTokens + outputTokens) {
      throw traceErrors.format(
        { file, line, column: arxivColumns[2] },
        `the sum of the two before it, ${promptTokens + outputTokens}`,
        cells[2]!,
      )
    }
    yield { promptTokens, outputTokens }
  }
}
