// How fast the machine itself is, beside what is measured on it: shared machines change their speed
// from hour to hour, and two runs of a bench differ by that much, whatever changed in between.
import { createHash } from 'node:crypto'

import { copy, hostTensor, type HostTensor } from '@vattention/core'

import type { Gauges } from '../result/index.ts'
import type { Clock } from './clock.ts'
import { HostReader } from './host-reader.ts'
import type { Random } from './random.ts'
import { median, summarize } from './statistics.ts'

const hashedBytes = 2 ** 21
const copiedBytes = 2 ** 23
/** More than a core has caches of its own for. */
const readBytes = 2 ** 25
/**
 * By all cores together, where there is memory for it: of an eighth as much it is mostly told how long
 * threads take to wake, of this much it went as attention did.
 */
const readTogetherBytes = () => Math.min(2 ** 29, Math.floor(process.availableMemory() / 16))
/** At each look. */
const repeats = 3
const msBetweenGlances = 1000

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

/** What suites do between rounds: see `MachineGauge.glance`. */
export type MachineGlance = () => void

/** Does the same small pieces of work between cells, and tells how long they took. */
export class MachineGauge implements AsyncDisposable {
  readonly #clock: Clock
  readonly #reader: HostReader | undefined
  readonly #bytes = Buffer.alloc(hashedBytes, 1)
  readonly #from: HostTensor = hostTensor('float8_e4m3', [copiedBytes])
  readonly #to: HostTensor = hostTensor('float8_e4m3', [copiedBytes])
  readonly #read = Buffer.alloc(readBytes, 2)
  readonly #looks: Rates[] = []
  /** Where in `#looks` the last two whole ones are. */
  #whole: readonly number[] = []
  #glanced = -Infinity

  private constructor(clock: Clock, reader: HostReader | undefined) {
    this.#clock = clock
    this.#reader = reader
  }

  /**
   * @param allCores Whether memory is read by all cores at once, too: what limits attention on a CPU,
   * which neighbours on a shared machine take from each other for seconds at a time.
   */
  static async open(clock: Clock, allCores: boolean): Promise<MachineGauge> {
    return new MachineGauge(
      clock,
      allCores ? await HostReader.open(readTogetherBytes()) : undefined,
    )
  }

  /** Takes some tens of milliseconds. */
  look(): void {
    const rates: Rates = {}
    for (let i = 0; i < repeats; i++) {
      this.#measure(rates, 'hashingGbPerSecond', hashedBytes, () => {
        createHash('sha256').update(this.#bytes).digest()
      })
      this.#measure(rates, 'readingGbPerSecond', readBytes, () => this.#read.indexOf(1))
      this.#measure(rates, 'copyingGbPerSecond', 2 * copiedBytes, () => copy(this.#from, this.#to))
      this.#measure(rates, 'newMemoryGbPerSecond', copiedBytes, () => {
        using fresh = hostTensor('float8_e4m3', [copiedBytes])
        copy(this.#from, fresh)
      })
      this.#readTogether(rates)
    }
    this.#whole = [...this.#whole.slice(-1), this.#looks.length]
    this.#looks.push(rates)
  }

  /**
   * Between rounds of what is measured, however often: once a second memory is read by all cores,
   * which takes some ten milliseconds. A cell lasts longer than the machine stays as it is.
   */
  readonly glance: MachineGlance = () => {
    if (!this.#reader || this.#clock.now() - this.#glanced < msBetweenGlances) return
    const rates: Rates = {}
    this.#readTogether(rates)
    this.#looks.push(rates)
    this.#glanced = this.#clock.now()
  }

  /** Rates of all looks. */
  gauges(random: Random): Gauges {
    return mapValues(together(this.#looks), (rates) => summarize(rates, random))
  }

  /** Medians of the last two looks and the glances between them. */
  around(): Record<string, number> {
    return mapValues(together(this.#looks.slice(this.#whole[0])), median)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#from[Symbol.dispose]()
    this.#to[Symbol.dispose]()
    await this.#reader?.close()
  }

  #readTogether(rates: Rates): void {
    const reader = this.#reader
    if (!reader) return
    this.#measure(rates, 'readingOnAllCoresGbPerSecond', reader.bytes, () => reader.read())
  }

  #measure(rates: Rates, name: string, bytes: number, work: () => void): void {
    const begun = this.#clock.now()
    work()
    const ms = this.#clock.now() - begun
    // A clock that stands still tells nothing.
    if (ms > 0) (rates[name] ??= []).push(bytes / ms / 1e6)
  }
}
