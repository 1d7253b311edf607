import { Unavailable } from '../../harness/index.ts'
import { LineProcess } from './line-process.ts'

/** A peer in a process of its own. */
export interface PeerProgram {
  /** That it may compute attention with. */
  readonly kernels: readonly string[]
  readonly versions: Readonly<Record<string, string | null>>
  /** @throws the peer's reason for which there is no answer */
  ask(request: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>
  end(): Promise<void>
  /** Ends it at once: what was asked is rejected. */
  kill(): void
}

/** Starts a program. A tests' one is no process. */
export type StartProgram = (program: string, args: readonly string[]) => Promise<PeerProgram>

/**
 * Starts a program and waits until it says what it can do.
 *
 * @throws Unavailable with the reason, when it says that it can do nothing, or does not start
 */
export const startProgram: StartProgram = async (program, args) => {
  const lines = new LineProcess(program, args)
  let about: Record<string, unknown>
  try {
    about = await lines.next()
  } catch (error) {
    throw new Unavailable(`${program}: ${(error as Error).message}`)
  }
  if (typeof about['unavailable'] === 'string') {
    await lines.end()
    throw new Unavailable(about['unavailable'])
  }
  return {
    kernels: about['kernels'] as string[],
    versions: about['versions'] as Record<string, string | null>,
    async ask(request) {
      const answer = await lines.ask(request)
      if (typeof answer['error'] === 'string') throw new Error(answer['error'])
      return answer
    },
    end: () => lines.end(),
    kill: () => lines.kill(),
  }
}
