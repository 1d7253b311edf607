// How fast the machine itself is, beside what is measured on it: shared machines change their speed
// from hour to hour, and two runs of a bench differ by that much, whatever changed in between.
import { createHash } from 'node:crypto'

import { copy, hostTensor } from '@vattention/core'
import type { HostTensor } from '@vattention/core'

import type { Gauges } from '../result/index.ts'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'
import { summarize } from './statistics.ts'

const hashedBytes = 4 * 2 ** 20
const copiedBytes = 32 * 2 ** 20
/** At each look. */
const repeats = 3
const leastPauseMs = 10_000

/** Does the same small pieces of work now and then during a run, and tells how long they took. */
export class MachineGauge implements Disposable {
  readonly #clock: Clock
  readonly #bytes = Buffer.alloc(hashedBytes, 1)
  readonly #from: HostTensor = hostTensor('float8_e4m3', [copiedBytes])
  readonly #to: HostTensor = hostTensor('float8_e4m3', [copiedBytes])
  readonly #samples: Record<string, number[]> = {}
  #lookedAt = -Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes some tens of milliseconds; nothing when the last look was less than ten seconds ago. */
  look(): void {
    if (this.#clock.now() - this.#lookedAt < leastPauseMs) return
    for (let i = 0; i < repeats; i++) {
      this.#measure('hashingGbPerSecond', hashedBytes, () => {
        createHash('sha256').update(this.#bytes).digest()
      })
      this.#measure('copyingGbPerSecond', 2 * copiedBytes, () => copy(this.#from, this.#to))
      this.#measure('newMemoryGbPerSecond', copiedBytes, () => {
        using fresh = hostTensor('float8_e4m3', [copiedBytes])
        copy(this.#from, fresh)
      })
    }
    this.#lookedAt = this.#clock.now()
  }

  /** Rates of all looks. */
  gauges(random: Random): Gauges {
    return Object.fromEntries(
      Object.entries(this.#samples).map(([name, rates]) => [name, summarize(rates, random)]),
    )
  }

  [Symbol.dispose](): void {
    this.#from[Symbol.dispose]()
    this.#to[Symbol.dispose]()
  }

  #measure(name: string, bytes: number, work: () => void): void {
    const begun = this.#clock.now()
    work()
    const ms = this.#clock.now() - begun
    // A clock that stands still tells nothing.
    if (ms > 0) (this.#samples[name] ??= []).push(bytes / ms / 1e6)
  }
}
