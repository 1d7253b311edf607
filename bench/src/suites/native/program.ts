import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Of a run. */
export interface ProgramOptions {
  readonly signal: AbortSignal
  readonly env?: NodeJS.ProcessEnv
}

/**
 * A program of `bench/native`, looked for in the folders above this file.
 *
 * @param folders Where it may be, beneath one of them.
 * @returns its path; undefined when it was not built
 */
export function findProgram(program: string, folders: readonly string[]): string | undefined {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const found = folders.map((folder) => join(at, folder, program)).find((one) => existsSync(one))
    if (found !== undefined || dirname(at) === at) return found
  }
}

/**
 * Runs such a program, and reads the JSON that it prints last.
 *
 * @throws with what it said when it failed
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  { signal, env }: ProgramOptions,
): Promise<unknown> {
  try {
    const { stdout } = await promisify(execFile)(file, args, {
      ...{ encoding: 'utf8', maxBuffer: 2 ** 28, signal },
      ...(env && { env }),
    })
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string }
    throw stderr.trim() === '' ? error : new Error(stderr.trim())
  }
}
