import { readFileSync, readdirSync } from 'node:fs'

import { hostTensor, type DeviceTensor } from '@vattention/core'
import { cpu, type DType } from '@vattention/interface'

import type { BenchDevice, DevicePoint } from './bench-device.ts'
import type { Clock } from './clock.ts'

/** Where the system does not tell its caches. */
const assumedCacheBytes = 64 * 2 ** 20

const unitBytes: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

/** Bytes of the largest cache of the first core, as Linux tells it; else 64 MiB. */
export function lastLevelCacheBytes(folder = '/sys/devices/system/cpu/cpu0/cache'): number {
  try {
    const sizes = readdirSync(folder)
      .filter((name) => name.startsWith('index'))
      .map((name) => readFileSync(`${folder}/${name}/size`, 'utf8').trim())
      .map((text) => /^(\d+)([KMG]?)$/.exec(text))
      .map((found) => (found ? Number(found[1]) * unitBytes[found[2]!]! : 0))
    return Math.max(...sizes, 0) || assumedCacheBytes
  } catch {
    return assumedCacheBytes
  }
}

/** A point in time of the clock that the device was given. */
class HostPoint implements DevicePoint {
  readonly #at: number

  constructor(clock: Clock) {
    this.#at = clock.now()
  }

  millisecondsSince(earlier: DevicePoint): number {
    return this.#at - (earlier as HostPoint).#at
  }

  [Symbol.dispose](): void {
    // A number holds nothing.
  }
}

/** The CPU: everything is done when a call returns. */
export class HostDevice implements BenchDevice {
  readonly device = cpu
  readonly name = 'CPU'
  readonly isGpu = false
  readonly #clock: Clock
  readonly #flushBytes: number
  #flushed: Buffer | undefined
  #flushes = 0

  /**
   * @param clock What `point` reads.
   * @param flushBytes What `flush` writes. Defaults to twice the last-level cache.
   */
  constructor(clock: Clock, flushBytes = 2 * lastLevelCacheBytes()) {
    this.#clock = clock
    this.#flushBytes = flushBytes
  }

  get lastLevelBytes(): number {
    return this.#flushBytes / 2
  }

  tensor(dtype: DType, shape: readonly number[]): DeviceTensor {
    return hostTensor(dtype, shape)
  }

  flush(): void {
    this.#flushed ??= Buffer.alloc(this.#flushBytes)
    const value = (++this.#flushes % 255) + 1
    // Large fills may go past the caches, and dirty lines would be written back during what is
    // measured: reading all of it again leaves the caches full of lines that cost nothing to drop.
    this.#flushed.fill(value)
    if (this.#flushed.indexOf(0) !== -1) throw new Error('memory changed while it was read')
  }

  point(): DevicePoint {
    return new HostPoint(this.#clock)
  }

  /** Lets the event loop turn, so that signals are heard between measurements. */
  async synchronize(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
  }

  freeBytes(): number {
    // The limits of a container count.
    return process.availableMemory()
  }

  [Symbol.dispose](): void {
    this.#flushed = undefined
  }
}
