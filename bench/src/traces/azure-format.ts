/**
 * The format of the Azure LLM inference traces: `TIMESTAMP,ContextTokens,GeneratedTokens`, sorted by
 * time.
 */
import { tokensOf, type CsvRow } from './csv-rows.ts'
import { traceErrors, type TracePlace } from './errors.ts'
import type { TraceRequest } from './trace.ts'

/** The columns, in order. */
export const azureColumns = ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'] as const

/** A point in time, in two parts: a double has too few digits for 100 ns since 1970. */
interface Stamp {
  /** Since 1970, UTC. */
  readonly seconds: number
  /** Of 100 ns. */
  readonly ticks: number
}

const pattern = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,7}))?$/

/**
 * Parses `2023-11-16 18:17:03.9799600`. The stamps have no zone and mean UTC; `Date` would take them
 * for local time and drop all but three decimals.
 */
function parseStamp(cell: string, place: TracePlace): Stamp {
  const match = pattern.exec(cell.trim())
  if (match !== null) {
    const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    const milliseconds = Date.UTC(year, month - 1, day, hour, minute, second)
    // Date.UTC takes a 31st of April for the 1st of May.
    const same = new Date(milliseconds).toISOString().startsWith(cell.trim().slice(0, 10))
    if (same && hour < 24 && minute < 60 && second < 60) {
      return { seconds: milliseconds / 1000, ticks: Number((match[7] ?? '').padEnd(7, '0')) }
    }
  }
  const expected = 'a time like 2023-11-16 18:17:03.9799600, in UTC'
  throw traceErrors.format(place, expected, JSON.stringify(cell))
}

/**
 * Requests of a file of this format; `rows` begins behind the header.
 *
 * @throws `ERR_VATTENTION_TRACE_FORMAT`, also for a row that is earlier than the one before it.
 */
export async function* azureRequests(
  rows: AsyncIterable<CsvRow>,
  file: string,
): AsyncGenerator<TraceRequest> {
  let first: Stamp | undefined
  let last = 0
  for await (const { cells, line } of rows) {
    const [time, prompt, output] = cells as [string, string, string]
    const place = (column: string) => ({ file, line, column })
    const stamp = parseStamp(time, place(azureColumns[0]))
    first ??= stamp
    // Whole ticks are exact, so equal stamps give equal seconds.
    const ticks = (stamp.seconds - first.seconds) * 1e7 + (stamp.ticks - first.ticks)
    if (ticks < last) {
      throw traceErrors.format(place(azureColumns[0]), 'rows sorted by time', time)
    }
    last = ticks
    yield {
      arrivalSeconds: ticks / 1e7,
      promptTokens: tokensOf(prompt, place(azureColumns[1])),
      outputTokens: tokensOf(output, place(azureColumns[2])),
    }
  }
}
