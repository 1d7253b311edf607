import type { Readable } from 'node:stream'

import { CsvError, parse } from 'csv-parse'

import { traceErrors, type TracePlace } from './errors.ts'

/** A row of a CSV file, with the line it starts on. */
export interface CsvRow {
  readonly cells: readonly string[]
  /** From 1, the header's line. */
  readonly line: number
}

/**
 * Rows of a CSV stream, its header included, one by one: memory does not grow with the file. Either
 * line end will do, a final one may be missing, empty lines are passed over.
 *
 * @throws `ERR_VATTENTION_TRACE_FORMAT` for broken quoting, and for a row with more or fewer cells
 * than the header.
 */
export async function* csvRows(stream: Readable, file: string): AsyncGenerator<CsvRow> {
  const parser = parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true })
  // An error of the file reaches the loop below through the parser.
  stream.on('error', (error) => parser.destroy(error))
  stream.pipe(parser)
  let columns: number | undefined
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[]
      info: { lines: number }
    }>) {
      columns ??= record.length
      if (record.length !== columns) {
        const place = { file, line: info.lines }
        throw traceErrors.format(place, `${columns} cells`, `${record.length}: ${record.join()}`)
      }
      yield { cells: record, line: info.lines }
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const line = typeof error['lines'] === 'number' ? error['lines'] : undefined
    throw traceErrors.format(
      { file, ...(line !== undefined && { line }) },
      'CSV as RFC 4180 has it',
      error.message,
    )
  } finally {
    stream.destroy()
  }
}

/**
 * A whole number of tokens from a cell. Some traces write floats: `7564.0` is 7564.
 *
 * @throws `ERR_VATTENTION_TRACE_FORMAT` for anything else than a whole number of at least 1.
 */
export function tokensOf(cell: string, place: TracePlace): number {
  const value = /^\s*\d+(\.0*)?\s*$/.test(cell) ? Number(cell) : Number.NaN
  if (!Number.isSafeInteger(value) || value < 1) {
    throw traceErrors.format(place, 'a whole number of tokens, at least 1', JSON.stringify(cell))
  }
  return value
}
