import type { NativeCalls } from '../../../native/node/native-calls.ts'
import type { NativeCache } from './addon.ts'

/**
 * The thread that maps ahead of time. Steering it is for tests and for phases where no other thread
 * shall run. All calls do nothing on a cache without one (`mapAhead: false`).
 */
export class Mapper {
  readonly #native: NativeCache
  readonly #calls: NativeCalls

  /** @internal */
  constructor(native: NativeCache, calls: NativeCalls) {
    this.#native = native
    this.#calls = calls
  }

  /** Rests from when it returns, at the latest after one driver call. */
  pause(): void {
    this.#calls.run(() => this.#native.pauseMapper())
  }

  resume(): void {
    this.#calls.run(() => this.#native.resumeMapper())
  }

  /** Returns when there is nothing left to map ahead, zero or give back. Blocks. */
  drain(): void {
    this.#calls.run(() => this.#native.drainMapper())
  }

  /** `drain` off the JavaScript thread. */
  drainAsync(): Promise<void> {
    return this.#calls.runAsync(() => this.#native.drainMapperAsync())
  }
}
