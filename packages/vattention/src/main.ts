import { CommanderError } from 'commander'
import { VattentionError } from '@vattention/interface'

import { checkEnvironment } from './cli/environment.ts'
import { exitCodes } from './cli/exit-codes.ts'
import type { Terminal } from './cli/terminal.ts'
import { UsageError } from './cli/usage-error.ts'
import { createProgram } from './program.ts'

/** What `main` needs from its process, so that tests can run it in theirs. */
export interface MainOptions {
  readonly terminal: Terminal
  readonly environment: NodeJS.ProcessEnv
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/**
 * Runs one command line (without `node` and the script).
 * @returns the exit status; nothing here ends the process.
 */
export async function main(args: readonly string[], options: MainOptions): Promise<number> {
  const { terminal, environment, signal } = options
  try {
    checkEnvironment(environment)
    let status: number = exitCodes.ok
    const endWith = (ended: number) => void (status = ended)
    const context = { terminal, signal, environment, endWith }
    await createProgram(context).parseAsync([...args], { from: 'user' })
    return signal.aborted ? exitCodes.interrupted : status
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage // commander has said why
    }
    if (signal.aborted) return exitCodes.interrupted
    terminal.err.write(`${describe(error)}\n`)
    return error instanceof UsageError ? exitCodes.usage : exitCodes.failed
  }
}

function describe(error: unknown): string {
  if (error instanceof VattentionError) return `${error.code}: ${error.message}`
  if (error instanceof UsageError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
