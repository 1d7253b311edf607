import type { Clock } from '../../harness/index.ts'

const never = new Int32Array(new SharedArrayBuffer(4))

/** The longest wait without a look at the clock. */
const lookMs = 1

/** Steps between which the event loop turns, so that signals are heard. */
const stepsPerTurn = 64

/** A loop whose turns begin at equal distances, as forward passes take their time. */
export class Pace {
  readonly #clock: Clock
  readonly #periodMs: number
  #next: number
  #turns = 0

  /** @param periodMs From the beginning of a turn to the next. 0: as fast as they go. */
  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock
    this.#periodMs = periodMs
    this.#next = clock.now()
  }

  /** Waits for the next turn; this thread sleeps, others go on. */
  async turn(): Promise<void> {
    if (++this.#turns % stepsPerTurn === 0) await new Promise((done) => setImmediate(done))
    if (this.#periodMs <= 0) return
    let now = this.#clock.now()
    while (now < this.#next) {
      Atomics.wait(never, 0, 0, Math.min(lookMs, this.#next - now))
      now = this.#clock.now()
    }
    // From turn to turn: a machine that was away for a while does not make the loop hurry.
    this.#next = now + this.#periodMs
  }
}
