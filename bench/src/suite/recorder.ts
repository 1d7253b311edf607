import type { Bar, MeasuredCase, Skipped } from '../result/index.ts'
import { resultNumbers } from './result-numbers.ts'

/** Collects what a suite finds out. */
export class Recorder {
  readonly #cases: MeasuredCase[] = []
  readonly #bars: Bar[] = []
  readonly #skipped: Skipped[] = []
  readonly #wrong: Skipped[] = []
  readonly #changed: () => void

  /** @param changed Called when something was added. */
  constructor(changed: () => void = () => undefined) {
    this.#changed = changed
  }

  get cases(): readonly MeasuredCase[] {
    return this.#cases
  }
  get bars(): readonly Bar[] {
    return this.#bars
  }
  get skipped(): readonly Skipped[] {
    return this.#skipped
  }
  /** Those of `skipped` that computed something else than attention. */
  get wrong(): readonly Skipped[] {
    return this.#wrong
  }

  /** Adds what was measured; numbers that are none become null, and digits beyond the sixth go. */
  add(measured: MeasuredCase): void {
    this.#cases.push(resultNumbers(measured))
    this.#changed()
  }

  /** Tells of the cases from `first` on how fast the machine was around them. */
  tellMachine(first: number, machine: Readonly<Record<string, number>>): void {
    const rates = resultNumbers({ ...machine })
    for (let i = first; i < this.#cases.length; i++) {
      this.#cases[i] = { ...this.#cases[i]!, machine: rates }
    }
  }

  /** Adds what was measured beside what is required. */
  bar(bar: Bar): void {
    this.#bars.push(resultNumbers(bar))
    this.#changed()
  }

  /** Says why something is not measured. */
  skip(name: string, reason: unknown): void {
    this.#skipped.push({ case: name, reason: reasonText(reason) })
    this.#changed()
  }

  /** Refuses something whose results are wrong: it is not timed, and the run fails. */
  refuse(name: string, reason: unknown): void {
    const refused = { case: name, reason: `wrong: ${reasonText(reason)}` }
    this.#wrong.push(refused)
    this.#skipped.push(refused)
    this.#changed()
  }
}

function reasonText(reason: unknown): string {
  const text = reason instanceof Error ? reason.message : String(reason)
  return text.replaceAll(/\s+/g, ' ').trim() || 'no reason is known'
}
