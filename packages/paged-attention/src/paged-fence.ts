import { errors, type Fence } from '@vattention/interface'

import { addon, type NativeFence } from './addon.ts'

/** Between two looks at a fence that somebody waits for, in milliseconds: at first, and at most. */
const shortestPauseMs = 1
const longestPauseMs = 8

/** A point in the order of a stream, recorded by a paged cache. */
export class PagedFence implements Fence {
  /** Gone with `dispose`: the point itself is forgotten when this object is collected. */
  #native: NativeFence | undefined

  constructor(native: NativeFence) {
    this.#native = native
  }

  get done(): boolean {
    return addon().fenceDone(this.#live())
  }

  async wait(): Promise<void> {
    const native = this.#live()
    for (let pause = shortestPauseMs; !addon().fenceDone(native); pause = longer(pause)) {
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }

  [Symbol.dispose](): void {
    this.#native = undefined
  }

  /**
   * The native fence of `fence`.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a fence that no paged cache has recorded.
   */
  static native(fence: Fence | undefined): NativeFence | undefined {
    if (fence === undefined) return undefined
    if (typeof fence === 'object' && fence !== null && #native in fence) return fence.#live()
    throw errors.invalidArgument('after', "a fence of the cache's recordFence", String(fence))
  }

  #live(): NativeFence {
    if (this.#native === undefined) throw errors.disposed('The fence')
    return this.#native
  }
}

const longer = (pause: number) => Math.min(pause * 2, longestPauseMs)
