// A program that answers lines of JSON with lines of JSON, one at a time.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export class LineProcess {
  #child
  #lines
  #ended

  constructor(program, args) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(error.message))
      this.#child.on('close', (status, signal) => resolve(`it ended (${signal ?? status})`))
    })
    // A request to a program that has ended: what is asked next tells it.
    this.#child.stdin.on('error', () => undefined)
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** The next answer. */
  async next() {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(await this.#ended)
    return JSON.parse(value)
  }

  ask(request) {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`)
    return this.next()
  }

  /** Ends it; resolves when it has. */
  async end() {
    this.#child.stdin.end()
    await this.#ended
  }
}
