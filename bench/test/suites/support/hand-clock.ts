import type { Clock } from '../../../src/harness/index.ts'

/** A clock that stands still until it is moved. */
export class HandClock implements Clock {
  #now = 1000

  now(): number {
    return this.#now
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds
  }
}
