/**
 * The format of the Mooncake traces: one JSON object a line, with `timestamp` (milliseconds),
 * `input_length`, `output_length` and `hash_ids`, one id for each 512 tokens of the prompt.
 */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

import { traceErrors } from './errors.ts'
import type { TraceRequest } from './trace.ts'

/** Tokens that one hash id stands for. */
export const mooncakeBlockTokens = 512

/** Ids are 0, 1, 2, ... and stay below this: seeds of random tokens have 32 bits. */
const idLimit = 2 ** 32

/**
 * Requests of a stream of this format.
 *
 * @throws `ERR_VATTENTION_TRACE_FORMAT` for what is no JSON object, a key that is missing or out of
 * range, a wrong number of ids, and rows that are not sorted by time.
 */
export async function* mooncakeRequests(
  stream: Readable,
  file: string,
): AsyncGenerator<TraceRequest> {
  let line = 0
  let firstMs: number | undefined
  let lastMs = Number.NEGATIVE_INFINITY
  for await (const text of linesOf(stream)) {
    line++
    if (text.trim() === '') continue
    const row = parseRow(text, file, line)
    const integer = (column: string, least: number) => {
      const value = row[column]
      if (!Number.isSafeInteger(value) || (value as number) < least) {
        const expected = `a whole number of at least ${least}`
        throw traceErrors.format({ file, line, column }, expected, String(JSON.stringify(value)))
      }
      return value as number
    }
    const timeMs = integer('timestamp', 0)
    if (timeMs < lastMs) {
      const place = { file, line, column: 'timestamp' }
      throw traceErrors.format(place, `rows sorted by time, at least ${lastMs}`, String(timeMs))
    }
    lastMs = timeMs
    firstMs ??= timeMs
    const promptTokens = integer('input_length', 1)
    yield {
      arrivalSeconds: (timeMs - firstMs) / 1000,
      promptTokens,
      outputTokens: integer('output_length', 1),
      blockHashes: hashesOf(row['hash_ids'], promptTokens, { file, line, column: 'hash_ids' }),
    }
  }
}

/** Lines of a stream; its errors end the loop, which `readline` alone would not do. */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let failure: Error | undefined
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  stream.on('error', (error) => {
    failure = error
    lines.close()
  })
  try {
    yield* lines
    if (failure !== undefined) throw failure
  } finally {
    lines.close()
    stream.destroy()
  }
}

function parseRow(text: string, file: string, line: number): Record<string, unknown> {
  let row: unknown
  try {
    row = JSON.parse(text)
  } catch {
    row = undefined
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw traceErrors.format({ file, line }, 'a JSON object', JSON.stringify(text))
  }
  return row as Record<string, unknown>
}

function hashesOf(
  value: unknown,
  promptTokens: number,
  place: { file: string; line: number; column: string },
): number[] {
  const blocks = Math.ceil(promptTokens / mooncakeBlockTokens)
  const found = Array.isArray(value) ? `${value.length} of them` : String(JSON.stringify(value))
  if (!Array.isArray(value) || value.length !== blocks) {
    const expected = `${blocks} ids, one for each ${mooncakeBlockTokens} of ${promptTokens} tokens`
    throw traceErrors.format(place, expected, found)
  }
  const wrong = value.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= idLimit) as unknown
  if (wrong !== undefined) {
    throw traceErrors.format(place, 'ids from 0 to 2^32 - 1', String(JSON.stringify(wrong)))
  }
  return value as number[]
}
