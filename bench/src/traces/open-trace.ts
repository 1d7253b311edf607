import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline, type Readable } from 'node:stream'
import { constants, createGunzip, gunzipSync } from 'node:zlib'

import { arxivColumns, arxivRequests } from './arxiv-format.ts'
import { azureColumns, azureRequests } from './azure-format.ts'
import { csvRows, type CsvRow } from './csv-rows.ts'
import { traceErrors } from './errors.ts'
import { mooncakeBlockTokens, mooncakeRequests } from './mooncake-format.ts'
import type { TraceFormat, TraceRequest } from './trace.ts'

/** A trace file, open: what it holds, row by row. */
export interface OpenTrace {
  readonly format: Exclude<TraceFormat, 'generated'>
  /** Tokens that one block hash stands for; absent where there are no hashes. */
  readonly blockTokens?: number
  /**
   * The requests, read as they are asked for. To be walked once; leaving the loop closes the file.
   * @throws `ERR_VATTENTION_TRACE_FORMAT` at the first row that is wrong, `ERR_VATTENTION_TRACE_FILE`.
   */
  readonly requests: AsyncGenerator<TraceRequest>
}

const csvFormats = {
  azure: { columns: azureColumns, requests: azureRequests },
  arxiv: { columns: arxivColumns, requests: arxivRequests },
} as const

const expectedStart = [
  ...Object.values(csvFormats).map(({ columns }) => columns.join()),
  'a JSON object with timestamp, input_length, output_length and hash_ids',
].join(' or ')

/**
 * Opens a trace, whatever its name: what the file begins with says how it is packed (gzip or not) and
 * which format it has (the header of a CSV file, a JSON object).
 *
 * @param file Path of the file.
 * @throws `ERR_VATTENTION_TRACE_FILE` when it cannot be read, `ERR_VATTENTION_TRACE_FORMAT` when it
 * begins like none of the formats.
 */
export async function openTrace(file: string): Promise<OpenTrace> {
  const unreadable = (error: unknown) =>
    isSystemError(error) ? traceErrors.file(file, error) : error
  try {
    const { stream, start } = await contentOf(file)
    if (start === '{') {
      const requests = translate(mooncakeRequests(stream, file), unreadable)
      return { format: 'mooncake', blockTokens: mooncakeBlockTokens, requests }
    }
    const rows = csvRows(stream, file)
    const header = await rows.next()
    const names = header.done === true ? [] : header.value.cells.map((cell) => cell.trim())
    for (const [format, { columns, requests }] of Object.entries(csvFormats)) {
      if (names.join() !== columns.join()) continue
      return {
        format: format as keyof typeof csvFormats,
        requests: translate(requests(rows as AsyncIterable<CsvRow>, file), unreadable),
      }
    }
    stream.destroy()
    const found = names.length === 0 ? 'an empty file' : names.join()
    throw traceErrors.format({ file, line: 1 }, expectedStart, found)
  } catch (error) {
    throw unreadable(error)
  }
}

/** What the file begins with says how to read the rest; this much is enough to tell. */
const headBytes = 4096

/** The file's content, unpacked, and its first character that is no white space, if any. */
async function contentOf(file: string): Promise<{ stream: Readable; start: string | undefined }> {
  const handle = await open(file)
  let head: Buffer
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    head = buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
  const packed = head[0] === 0x1f && head[1] === 0x8b
  // The head ends in the middle of the packed data: flushing gives what it has.
  if (packed) head = gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH })
  const start = /[^\s\uFEFF]/u.exec(head.toString())?.[0]
  const bytes = createReadStream(file)
  if (!packed) return { stream: bytes, start }
  const gunzip = createGunzip()
  // The unpacked stream tells whoever reads it of any error.
  pipeline(bytes, gunzip, () => undefined)
  return { stream: gunzip, start }
}

async function* translate<T>(
  items: AsyncGenerator<T>,
  error: (error: unknown) => unknown,
): AsyncGenerator<T> {
  try {
    yield* items
  } catch (thrown) {
    throw error(thrown)
  }
}

/** Errors of files and of unpacking, as Node throws them. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && /^(E[A-Z]+|Z_[A-Z_]+)$/.test(String(codeOf(error)))
}

const codeOf = (error: Error) => (error as NodeJS.ErrnoException).code
