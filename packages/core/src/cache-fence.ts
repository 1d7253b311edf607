import { errors, type Fence } from '@vattention/interface'

import { callNativeAsync } from '../../../native/node/native-error.ts'
import type { NativeFence } from './addon.ts'

/** A point in the order of a stream, recorded by a cache. */
export class CacheFence implements Fence {
  readonly #native: NativeFence
  #disposed = false

  constructor(native: NativeFence) {
    this.#native = native
  }

  get done(): boolean {
    return this.#live().done()
  }

  wait(): Promise<void> {
    const native = this.#live()
    return native.done() ? Promise.resolve() : callNativeAsync(() => native.wait())
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#native.release()
  }

  /**
   * The native fence of `fence`.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a fence that no contiguous cache has recorded.
   */
  static native(fence: Fence | undefined): NativeFence | undefined {
    if (fence === undefined) return undefined
    if (typeof fence === 'object' && fence !== null && #native in fence) return fence.#live()
    throw errors.invalidArgument('after', "a fence of the cache's recordFence", String(fence))
  }

  #live(): NativeFence {
    if (this.#disposed) throw errors.disposed('The fence')
    return this.#native
  }
}
