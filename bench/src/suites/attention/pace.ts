/** How long work takes, learnt from what was timed: what tells that a case would take too long. */
export class Pace {
  readonly #msPerUnit = new Map<string, number>()

  /** Milliseconds that work takes; undefined as long as nothing like it was timed. */
  estimate(kind: string, work: number): number | undefined {
    const known = this.#msPerUnit.get(kind)
    return known === undefined ? undefined : known * work
  }

  /** Takes in what was timed. The last counts: larger cases come later, and are the nearest. */
  learn(kind: string, work: number, ms: number): void {
    if (work > 0 && ms > 0) this.#msPerUnit.set(kind, ms / work)
  }
}
