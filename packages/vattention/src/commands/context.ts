import type { Terminal } from '../cli/terminal.ts'

/** What every command gets. */
export interface CommandContext {
  readonly terminal: Terminal
  /** Aborted by Ctrl-C: a command then stops and gives everything back. */
  readonly signal: AbortSignal
  readonly environment: NodeJS.ProcessEnv
  /** The exit status of a command that did its work, when it is not 0. */
  endWith(status: number): void
}
