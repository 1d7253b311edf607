/** A growing list of tokens, readable as one typed array without copying. */
export class TokenBuffer {
  #items: Uint32Array
  #length: number

  constructor(tokens: Uint32Array) {
    // Room for an answer as long as the prompt, 64 tokens at least.
    this.#items = new Uint32Array(tokens.length + Math.max(64, tokens.length))
    this.#items.set(tokens)
    this.#length = tokens.length
  }

  get length(): number {
    return this.#length
  }

  push(token: number): void {
    if (this.#length === this.#items.length) {
      const items = new Uint32Array(this.#length * 2)
      items.set(this.#items)
      this.#items = items
    }
    this.#items[this.#length++] = token
  }

  at(index: number): number {
    return this.#items[index]!
  }

  /** Tokens `from` to `to`, sharing memory: later pushes do not change them. */
  view(from = 0, to = this.#length): Uint32Array {
    return this.#items.subarray(from, to)
  }
}
