import type { Output } from './output.ts'

/** What every command gets. */
export interface CommandContext {
  readonly output: Output
  /** Aborted by Ctrl-C: what was measured until then is kept. */
  readonly signal: AbortSignal
  /** As it was called, to be called again: for results. */
  readonly command: string
  readonly environment: NodeJS.ProcessEnv
}
