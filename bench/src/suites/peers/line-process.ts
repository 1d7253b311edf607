import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A program that answers lines of JSON with lines of JSON, one at a time. */
export class LineProcess {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #ended: Promise<string>

  constructor(program: string, args: readonly string[]) {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      // Ctrl-C is for the bench, which then ends this program.
      detached: true,
    })
    this.#child = child
    this.#ended = new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message))
      child.on('close', (status, signal) => resolve(`it ended (${signal ?? status})`))
    })
    // A request to a program that has ended: what is asked next tells it.
    child.stdin!.on('error', () => undefined)
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  /**
   * The next answer; lines that are no JSON are those of libraries, and left out.
   *
   * @throws when the program has ended
   */
  async next(): Promise<Record<string, unknown>> {
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done === true) throw new Error(await this.#ended)
      if (value.startsWith('{')) return JSON.parse(value) as Record<string, unknown>
    }
  }

  ask(request: unknown): Promise<Record<string, unknown>> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`)
    return this.next()
  }

  /** Ends it; resolves when it has. */
  async end(): Promise<void> {
    this.#child.stdin!.end()
    await this.#ended
  }

  /** Ends it without waiting for what it does. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
