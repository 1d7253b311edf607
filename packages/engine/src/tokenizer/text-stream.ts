/** Turns tokens into text one by one: characters appear when their last byte is there. */

/** Text of a growing sequence of tokens. */
export class TextStream {
  readonly #bytesOf: (token: number) => Uint8Array
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  /** @param bytesOf Bytes of a token; none for tokens that have no text. */
  constructor(bytesOf: (token: number) => Uint8Array) {
    this.#bytesOf = bytesOf
  }

  /** The text that `token` completes; empty while a character is incomplete. */
  push(token: number): string {
    return this.#decoder.decode(this.#bytesOf(token), { stream: true })
  }

  /** What an incomplete character at the end amounts to: U+FFFD, or nothing. */
  end(): string {
    return this.#decoder.decode()
  }
}
