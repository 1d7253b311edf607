/**
 * Finds stop strings in text that arrives in pieces, also across pieces. Text that may be the
 * beginning of a stop string is withheld until it is clear that it is not.
 */

/** What a piece of text amounts to. */
export interface Filtered {
  /** Text that can be shown. */
  readonly text: string
  /** The stop string that was met; nothing after `text` may be shown. */
  readonly stop?: string
}

/** Filters one text. */
export class StopFilter {
  readonly #stops: readonly string[]
  #withheld = ''

  /** @param stops Not empty strings. */
  constructor(stops: readonly string[]) {
    this.#stops = stops
  }

  /** Adds a piece. */
  push(piece: string): Filtered {
    if (this.#stops.length === 0) return { text: piece }
    const text = this.#withheld + piece
    let first = -1
    let met = ''
    for (const stop of this.#stops) {
      const at = text.indexOf(stop)
      // At the same place the longer one: it says more about what was meant.
      if (at >= 0 && (first < 0 || at < first || (at === first && stop.length > met.length))) {
        first = at
        met = stop
      }
    }
    if (first >= 0) {
      this.#withheld = ''
      return { text: text.slice(0, first), stop: met }
    }
    const keep = this.#partialLength(text)
    this.#withheld = text.slice(text.length - keep)
    return { text: text.slice(0, text.length - keep) }
  }

  /** The text ended: what was withheld was no stop string. */
  end(): string {
    const text = this.#withheld
    this.#withheld = ''
    return text
  }

  /** Length of the longest end of `text` that begins a stop string. */
  #partialLength(text: string): number {
    let longest = 0
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length
      }
    }
    return longest
  }
}
