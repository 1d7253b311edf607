/** Where a command writes: the terminal, or what a test reads. */
export interface Output {
  write(text: string): void
  writeError(text: string): void
}

/** Exit statuses: 0 done, 1 failed, 2 called wrongly, 3 a regression. */
export type ExitStatus = 0 | 1 | 2 | 3
