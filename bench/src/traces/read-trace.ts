import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

import { openTrace } from './open-trace.ts'
import type { Trace, TraceRequest } from './trace.ts'

/** How much of a file to read. */
export interface ReadTraceOptions {
  /** Rows to read, from the first on. Defaults to all. */
  readonly maxRows?: number
}

/**
 * Reads a trace into memory: Azure and arXiv CSV, Mooncake JSON lines, each packed with gzip or not.
 *
 * @param file Path of the file; its content says what it is, not its name.
 * @throws `ERR_VATTENTION_TRACE_FILE`, `ERR_VATTENTION_TRACE_FORMAT`.
 * @example
 * ```ts
 * const trace = await readTrace('azure-2023-conv.csv', { maxRows: 1000 })
 * ```
 */
export async function readTrace(file: string, options: ReadTraceOptions = {}): Promise<Trace> {
  const { maxRows = Number.POSITIVE_INFINITY } = options
  const { format, blockTokens, requests } = await openTrace(file)
  const read: TraceRequest[] = []
  for await (const request of requests) {
    read.push(request)
    if (read.length >= maxRows) break
  }
  return {
    format,
    source: { kind: 'file', file, sha256: await sha256Of(file) },
    requests: read,
    ...(blockTokens !== undefined && { blockTokens }),
  }
}

/** Of all of the file, also when only some of its rows are used: it names the file. */
async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
