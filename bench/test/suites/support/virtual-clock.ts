import { setImmediate as turn } from 'node:timers/promises'

import type { Clock } from '../../../src/harness/index.ts'

/** Turns of the event loop after which whoever does not sleep has done what it can. */
const settlingTurns = 4

/** A clock that goes on to the next sleeper's time when all others have done what they can. */
export class VirtualClock implements Clock {
  #now = 1000
  #sleepers: { at: number; wake: () => void }[] = []
  #running = false

  now(): number {
    return this.#now
  }

  /** Resolves when so many milliseconds have passed; rejects with the signal's reason. */
  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const woken = new Promise<void>((wake) => {
      this.#sleepers.push({ at: this.#now + milliseconds, wake })
    })
    if (!this.#running) void this.#run()
    await woken
    signal?.throwIfAborted()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#sleepers.length > 0) {
      for (let i = 0; i < settlingTurns; i++) await turn()
      this.#sleepers.sort((a, b) => a.at - b.at)
      const next = this.#sleepers.shift()!
      this.#now = next.at
      next.wake()
    }
    this.#running = false
  }
}
