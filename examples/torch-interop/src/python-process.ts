/** A Python process that is asked in JSON, one request and one answer a line. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../python/main.py', import.meta.url))

/** The process, from its start to its end. */
export class PythonProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #ended: Promise<unknown[]>

  /**
   * @param python The interpreter.
   * @param files Descriptors that it inherits: they are 3, 4, ... there.
   */
  constructor(python: string, files: readonly number[]) {
    this.#child = spawn(python, ['-B', script], { stdio: ['pipe', 'pipe', 'inherit', ...files] })
    this.#ended = once(this.#child, 'close')
    this.#ended.catch(() => undefined) // that it could not be started, `ask` reports
    this.#child.stdin!.on('error', () => undefined) // as that it is gone
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  /**
   * Asks, and waits for the answer. One request at a time.
   * @throws Error with what Python says, or how the process ended.
   */
  async ask<Answer>(what: string, details: object = {}): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify({ do: what, ...details })}\n`)
    const line = await this.#lines.next()
    if (line.done) {
      const [status, signal] = (await this.#ended) as [number | null, string | null]
      throw new Error(`Python ended by ${signal ?? `status ${status}`} when asked to ${what}`)
    }
    const answer = JSON.parse(line.value) as Answer & { readonly error?: string }
    if (answer.error !== undefined) throw new Error(`Python, asked to ${what}: ${answer.error}`)
    return answer
  }

  /** Ends the process, which reads the end of its input, and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end()
    await this.#ended.catch(() => undefined)
  }
}
