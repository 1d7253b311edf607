// How fast the machine itself is, beside what is measured on it: shared machines change their speed
// from hour to hour, and two runs of a bench differ by that much, whatever changed in between.
import { createHash } from 'node:crypto'

import { copy, hostTensor, type HostTensor } from '@vattention/core'

import type { Gauges } from '../result/index.ts'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'
import { median, summarize } from './statistics.ts'

const hashedBytes = 2 ** 21
const copiedBytes = 2 ** 23
/** More than a core has caches of its own for. */
const readBytes = 2 ** 25
/** At each look. */
const repeats = 3

/** Rates by key with unit. */
type Rates = Record<string, number[]>

function together(looks: readonly Rates[]): Rates {
  const all: Rates = {}
  for (const rates of looks) {
    for (const [name, some] of Object.entries(rates)) (all[name] ??= []).push(...some)
  }
  return all
}

const mapValues = <T>(rates: Rates, of: (some: readonly number[]) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(rates).map(([name, some]) => [name, of(some)]))

/** Does the same small pieces of work between cells, and tells how long they took. */
export class MachineGauge implements Disposable {
  readonly #clock: Clock
  readonly #bytes = Buffer.alloc(hashedBytes, 1)
  readonly #from: HostTensor = hostTensor('float8_e4m3', [copiedBytes])
  readonly #to: HostTensor = hostTensor('float8_e4m3', [copiedBytes])
  readonly #read = Buffer.alloc(readBytes, 2)
  readonly #looks: Rates[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes some tens of milliseconds. */
  look(): void {
    const rates: Rates = {}
    const measure = (name: string, bytes: number, work: () => void) => {
      const begun = this.#clock.now()
      work()
      const ms = this.#clock.now() - begun
      // A clock that stands still tells nothing.
      if (ms > 0) (rates[name] ??= []).push(bytes / ms / 1e6)
    }
    for (let i = 0; i < repeats; i++) {
      measure('hashingGbPerSecond', hashedBytes, () => {
        createHash('sha256').update(this.#bytes).digest()
      })
      measure('readingGbPerSecond', readBytes, () => this.#read.indexOf(1))
      measure('copyingGbPerSecond', 2 * copiedBytes, () => copy(this.#from, this.#to))
      measure('newMemoryGbPerSecond', copiedBytes, () => {
        using fresh = hostTensor('float8_e4m3', [copiedBytes])
        copy(this.#from, fresh)
      })
    }
    this.#looks.push(rates)
  }

  /** Rates of all looks. */
  gauges(random: Random): Gauges {
    return mapValues(together(this.#looks), (rates) => summarize(rates, random))
  }

  /** Medians of the last two looks: before and after what was between them. */
  around(): Record<string, number> {
    return mapValues(together(this.#looks.slice(-2)), median)
  }

  [Symbol.dispose](): void {
    this.#from[Symbol.dispose]()
    this.#to[Symbol.dispose]()
  }
}
