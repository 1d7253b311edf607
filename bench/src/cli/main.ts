import { Command, CommanderError } from 'commander'

import { ResultError } from '../result/index.ts'
import type { ExitStatus, Output } from './output.ts'
import { addFigures } from './figures.ts'
import { addReport } from './report.ts'
import { addSuites } from './suites.ts'
import { UsageError } from './usage-error.ts'

const thisProcess: Output = {
  write: (text) => void process.stdout.write(text),
  writeError: (text) => void process.stderr.write(text),
  ...(process.stderr.isTTY && { terminal: process.stderr }),
}

/** What `main` needs of its process; absent, it is this one. */
export interface MainOptions {
  readonly output?: Output
  /** Aborted by Ctrl-C. Defaults to one that never is. */
  readonly signal?: AbortSignal
  /** What people call it: `vattention bench`. Defaults to `npm run bench --`. */
  readonly name?: string
  readonly environment?: NodeJS.ProcessEnv
}

/**
 * Runs a command of the benchmarks.
 *
 * @param argv Arguments after the program's name: `['decode', '--quick']`.
 * @returns the exit status: 0 done, 1 failed, 2 called wrongly, 3 a regression, 130 interrupted
 */
export async function main(
  argv: readonly string[],
  {
    output = thisProcess,
    signal = new AbortController().signal,
    name = 'npm run bench --',
    environment = process.env,
  }: MainOptions = {},
): Promise<ExitStatus> {
  let status: ExitStatus = 0
  const end = (ended: ExitStatus) => void (status = ended)
  const program = new Command(name)
    .description('Comparative benchmarks of attention backends and KV caches, and their reports')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.write(text),
      writeErr: (text) => output.writeError(text),
    })
  const command = [name, ...argv].join(' ')
  addSuites(program, { output, signal, command, environment }, end)
  addReport(program, output, end)
  addFigures(program, output, end)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return status
  } catch (error) {
    // Help and its like are no errors; commander has said the rest.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof ResultError) {
      output.writeError(`${error.source}:\n${error.reasons.map((one) => `  ${one}\n`).join('')}`)
      return 1
    }
    output.writeError(`${(error as Error).message}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}
