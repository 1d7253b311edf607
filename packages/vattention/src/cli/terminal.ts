import { SingleBar } from 'cli-progress'

/** Where a command writes: data on stdout, everything about the work on stderr. */
export interface Terminal {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }
}

/** A bar on stderr for work whose length is known; silent where stderr is no terminal. */
export interface ProgressBar {
  update(done: number, note?: string): void
  stop(): void
}

/** What `showProgress` is told about the work. */
export interface ProgressOptions {
  readonly title: string
  readonly total: number
  /** Defaults to `true`; `--json` turns it off. */
  readonly enabled?: boolean
}

/** Starts a progress bar. Where stderr is no terminal it writes one line at the start. */
export function showProgress(terminal: Terminal, options: ProgressOptions): ProgressBar {
  const { title, total, enabled = true } = options
  if (!enabled) return { update: () => undefined, stop: () => undefined }
  if (!terminal.err.isTTY) {
    terminal.err.write(`${title}\n`)
    return { update: () => undefined, stop: () => undefined }
  }
  const bar = new SingleBar({
    format: `${title} [{bar}] {percentage} %  {note}`,
    stream: terminal.err,
    hideCursor: true,
    clearOnComplete: true,
    barsize: 30,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  })
  bar.start(total, 0, { note: '' })
  return { update: (done, note = '') => bar.update(done, { note }), stop: () => bar.stop() }
}

/** One JSON document on stdout. */
export function writeJson(terminal: Terminal, value: unknown): void {
  terminal.out.write(`${JSON.stringify(value, null, 2)}\n`)
}
