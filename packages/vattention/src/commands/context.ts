import type { Terminal } from '../cli/terminal.ts'

/** What every command gets. */
export interface CommandContext {
  readonly terminal: Terminal
  /** Aborted by Ctrl-C: a command then stops and gives everything back. */
  readonly signal: AbortSignal
}
