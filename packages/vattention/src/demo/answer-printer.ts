import type { Generation } from '@vattention/engine'

/**
 * Prints some answers as they stream, one after the other: while one is being written the next ones
 * collect their text.
 */
export class AnswerPrinter {
  readonly #out: NodeJS.WritableStream
  #tail: Promise<void> = Promise.resolve()

  constructor(out: NodeJS.WritableStream) {
    this.#out = out
  }

  /** Queues an answer. Errors of the generation are its result's, not the printer's. */
  add(question: string, generation: Generation): void {
    this.#tail = this.#tail.then(async () => {
      this.#out.write(`\n> ${question}\n`)
      try {
        for await (const { text } of generation) this.#out.write(text)
      } catch {
        this.#out.write(' (not finished)')
      }
      this.#out.write('\n')
    })
  }

  /** Resolves when all that was queued is written. */
  done(): Promise<void> {
    return this.#tail
  }
}
