/** Where a command writes: the terminal, or what a test reads. */
export interface Output {
  write(text: string): void
  writeError(text: string): void
  /** Where a bar may move; absent: progress is written in lines. */
  readonly terminal?: NodeJS.WritableStream
}

/** Exit statuses: 0 done, 1 failed, 2 called wrongly, 3 a regression, 130 interrupted. */
export type ExitStatus = 0 | 1 | 2 | 3 | 130
