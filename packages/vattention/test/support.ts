import { Writable } from 'node:stream'

import { main } from '../src/main.ts'

/** What a command line printed and its exit status. */
export interface Outcome {
  readonly status: number
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process. */
export async function run(
  args: readonly string[],
  options: { environment?: NodeJS.ProcessEnv; signal?: AbortSignal } = {},
): Promise<Outcome> {
  const texts = { out: '', err: '' }
  const stream = (name: 'out' | 'err') =>
    new Writable({
      write: (chunk, _encoding, done) => {
        texts[name] += String(chunk)
        done()
      },
    })
  const status = await main(args, {
    terminal: { out: stream('out'), err: stream('err') },
    environment: options.environment ?? {},
    signal: options.signal ?? new AbortController().signal,
  })
  return { status, ...texts }
}
