// Device memory between cases: as much must be in use after a case as before it.
//
// What is used for the first time may stay (a kernel's code, a stack for its threads), so a case that
// leaves more in use runs again, and leaks when every run leaves more. Assumes that nobody else uses
// the device.
import { setImmediate } from 'node:timers/promises'

import { CudaStream, deviceMemory } from '@vattention/core'

const device = { type: 'cuda', index: 0 }

/** Runs of a case that has left memory in use. */
const repeats = 3

const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** Of the first GPU. */
export class MemoryMeter {
  /** Of the whole device, as last measured. */
  usedBytes
  /** What cases left in use when they ran for the first time, and not again. */
  firstUseBytes = 0
  /** Keeps the device open: opening it anew for each case would take half a second, and memory. */
  #stream = new CudaStream(device)

  constructor() {
    this.usedBytes = this.#read()
  }

  #read() {
    const { freeBytes, totalBytes } = deviceMemory(device)
    return totalBytes - freeBytes
  }

  /** What is in use once the garbage collector has given back what only it can. */
  async #settled() {
    for (let round = 0; round < 2 && this.#read() > this.usedBytes; round++) {
      globalThis.gc?.()
      await setImmediate() // finalizers run as tasks
      globalThis.gc?.()
      await setImmediate()
    }
    return this.#read()
  }

  /**
   * Measures after a case.
   *
   * @param {() => Promise<unknown>} again Runs it once more.
   * @returns {Promise<string | undefined>} what it leaks
   */
  async leakOf(again) {
    const before = this.usedBytes
    let used = await this.#settled()
    const grown = [used - before]
    this.usedBytes = used
    while (grown.at(-1) > 0 && grown.length <= repeats) {
      await again()
      used = await this.#settled()
      grown.push(used - this.usedBytes)
      this.usedBytes = used
    }
    if (grown.at(-1) <= 0) {
      this.firstUseBytes += used - before
      return undefined
    }
    const steps = grown.map(mebibytes).join(', ')
    return `device memory in use grows with every run of the case, by ${steps}`
  }
}
