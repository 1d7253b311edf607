import { deviceIndex, deviceTypeCode, errors, type Fence, type Stream } from '@vattention/interface'

import { callNative, callNativeAsync } from '../../../native/node/native-error.ts'
import { addon, type NativeFence } from './addon.ts'
import { checkAnyStream } from './check-device.ts'

/** A point in the order of a stream, recorded by `recordFence` or by a cache. */
export class StreamFence implements Fence {
  readonly #native: NativeFence
  #disposed = false

  /** @internal */
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
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a fence that was not recorded here.
   * @internal
   */
  static native(name: string, fence: Fence): NativeFence {
    if (typeof fence === 'object' && fence !== null && #native in fence) return fence.#live()
    throw errors.invalidArgument(name, 'a fence of recordFence', String(fence))
  }

  #live(): NativeFence {
    if (this.#disposed) throw errors.disposed('The fence')
    return this.#native
  }
}

/**
 * The point that a stream is at: passed when all that it was given so far has ended. Unlike a
 * cache's `recordFence` it attaches the stream to nothing; a contiguous cache takes it for `after`
 * all the same.
 *
 * @param stream Of a GPU, whoever has made it, or of the CPU.
 * @throws `ERR_VATTENTION_INVALID_ARGUMENT`, `ERR_VATTENTION_UNSUPPORTED` without the device,
 * `ERR_VATTENTION_BUSY` for a stream that is being captured.
 */
export function recordFence(stream: Stream): StreamFence {
  checkAnyStream(stream)
  const { device, handle } = stream
  const { recordFence: record } = addon()
  return new StreamFence(
    callNative(() => record(deviceTypeCode(device), deviceIndex(device), handle)),
  )
}

/**
 * Makes a GPU's stream do what it is given from now on after a fence, also one of another GPU's
 * stream. Returns at once.
 *
 * @throws `ERR_VATTENTION_INVALID_ARGUMENT`; `ERR_VATTENTION_DISPOSED`; `ERR_VATTENTION_BUSY` for a
 * stream that is being captured; `ERR_VATTENTION_UNSUPPORTED` for a stream of the CPU, and for a
 * fence of one that has not passed: no GPU waits for threads.
 */
export function waitFor(stream: Stream, fence: Fence): void {
  checkAnyStream(stream)
  const native = StreamFence.native('fence', fence)
  const { device, handle } = stream
  const { makeStreamWait } = addon()
  callNative(() => makeStreamWait(deviceTypeCode(device), deviceIndex(device), handle, native))
}
