import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { readResult, ResultError, type SourcedResult } from '../result/index.ts'
import { UsageError } from './usage-error.ts'

/** Results of some paths, and what in their folders is none. */
export interface FoundResults {
  readonly results: readonly SourcedResult[]
  /** JSON files in folders that are no results, with the reason. */
  readonly ignored: readonly string[]
}

/** Whether a path is a folder; what is not there is none. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

/**
 * Reads result files, and all of folders and the folders in them. A file that was named has to be a
 * result; one that is found in a folder need not.
 *
 * @throws ResultError when a named file is no result; the file system's error when it cannot be read
 * @throws UsageError when a folder has none
 */
export async function readResults(paths: readonly string[]): Promise<FoundResults> {
  const results: SourcedResult[] = []
  const ignored: string[] = []
  for (const path of paths) {
    if (!(await isFolder(path))) {
      results.push(await readResult(path))
      continue
    }
    const found = await readFolder(path)
    if (found.results.length === 0) throw new UsageError(`${path}: no result in this folder`)
    results.push(...found.results)
    ignored.push(...found.ignored)
  }
  return { results, ignored }
}

async function readFolder(folder: string): Promise<FoundResults> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  const results: SourcedResult[] = []
  const ignored: string[] = []
  for (const file of files) {
    try {
      results.push(await readResult(file))
    } catch (error) {
      if (!(error instanceof ResultError)) throw error
      ignored.push(`${file} is no result: ${error.reasons[0] ?? error.code}`)
    }
  }
  return { results, ignored }
}
