import type { BenchDevice } from '../../harness/index.ts'

/** Of what is free a part stays free: for what caches map in spare, and for others. */
const usableShare = 0.8

/** Memory that caches of a cell share: promised when they are made, taken as they grow. */
export class Room {
  #left: number

  constructor(device: BenchDevice) {
    this.#left = usableShare * device.freeBytes()
  }

  /** @throws when so much is not left */
  take(bytes: number): void {
    if (bytes > this.#left) {
      const left = Math.max(0, Math.floor(this.#left))
      throw new Error(`${Math.ceil(bytes)} bytes are needed, and ${left} are left of what is free`)
    }
    this.#left -= bytes
  }
}
