import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import { resultErrors } from './errors.ts'
import { parseResult } from './parse.ts'
import { resultReasons } from './validate.ts'
import type { Result } from './schema/result.ts'

/** A result, and the file that its numbers come from. */
export interface SourcedResult {
  /** As the reader was told: `bench/results/h200/decode.json`. */
  readonly source: string
  readonly result: Result
}

/**
 * Reads a result file and checks it against the schema that it was written with.
 *
 * @throws ResultError when it is no result; the file system's error when it cannot be read
 */
export async function readResult(path: string): Promise<SourcedResult> {
  const text = await readFile(path, 'utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw resultErrors.invalid(path, [`not JSON: ${(error as Error).message}`])
  }
  return { source: path, result: parseResult(value, path) }
}

/**
 * Writes a result, at once or not at all; folders are made.
 *
 * @throws ResultError with all reasons when it is no result: nothing is written then
 */
export async function writeResult(path: string, result: Result): Promise<void> {
  const reasons = resultReasons(result)
  if (reasons.length > 0) throw resultErrors.invalid(path, reasons)
  await mkdir(dirname(path), { recursive: true })
  const partial = `${path}.partial`
  await writeFile(partial, `${resultText(result)}\n`)
  await rename(partial, path)
}

/** JSON for people and for diffs: lists of numbers on one line each. */
export function resultText(result: Result): string {
  return JSON.stringify(result, null, 1).replaceAll(/\[[\s\d.,eE+\-nul]+\]/g, (list) =>
    list.replaceAll(/\s+/g, ''),
  )
}
