import { cpu, errors, type Device, type Stream } from '@vattention/interface'

import { addon, type NativeTimeline } from './addon.ts'

/**
 * A stream of the CPU: order for work that runs off the calling thread. Whoever starts such work
 * counts it with `submit` before it may touch a cache, and with `complete` after it stopped; fences
 * recorded on the stream pass in between. Disposing it completes everything.
 *
 * @example
 * ```ts
 * using timeline = new HostTimeline()
 * const work = timeline.submit()
 * const fence = cache.recordFence(timeline)
 * cache.free(sequence, fence) // its pages stay until the work is done
 * void readInWorker().finally(() => timeline.complete(work))
 * ```
 */
export class HostTimeline implements Stream, Disposable {
  readonly device: Device = cpu
  readonly handle: bigint
  /** Keeps the counters alive for as long as a copy of this stream is around. */
  readonly owner: NativeTimeline
  #disposed = false

  /** @throws `ERR_VATTENTION_NATIVE_LOAD` when the addon cannot be loaded. */
  constructor() {
    const { Timeline } = addon()
    this.owner = new Timeline()
    this.handle = this.owner.address
  }

  /** Pieces of work that were started. */
  get submitted(): number {
    return this.owner.submitted
  }

  /** Pieces of work that have ended. */
  get completed(): number {
    return this.owner.completed
  }

  /**
   * Counts one more piece of work; returns its number.
   * @throws `ERR_VATTENTION_DISPOSED`
   */
  submit(): number {
    if (this.#disposed) throw errors.disposed('The timeline')
    return this.owner.submit()
  }

  /**
   * All work up to number `work` has ended.
   * @param work Defaults to everything that was submitted.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for work that was not submitted.
   */
  complete(work = this.submitted): void {
    if (!Number.isSafeInteger(work) || work < 0 || work > this.submitted) {
      throw errors.invalidArgument('work', `an integer of 0..${this.submitted}`, String(work))
    }
    this.owner.complete(work)
  }

  /** Completes everything; idempotent. */
  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.owner.complete(this.submitted)
  }
}
