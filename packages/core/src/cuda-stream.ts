import { deviceIndex, type Device, type Stream } from '@vattention/interface'

import { callNative } from '../../../native/node/native-error.ts'
import { addon, type NativeStream } from './addon.ts'
import { checkCudaDevice } from './check-device.ts'
import { recordFence } from './stream-fence.ts'

/**
 * A stream of a GPU: what it is given runs in order, beside what other streams are given (it does
 * not wait for the default stream). Anybody's stream can be used here as `{ device, handle }`; this
 * one is made, and owned, by JavaScript.
 *
 * Disposed, it still does what it was given. Dispose the plans that run on it first; caches that it
 * is attached to keep it.
 *
 * @example
 * ```ts
 * using stream = new CudaStream({ type: 'cuda', index: 0 })
 * plan.prepare({ cache, sequences, queryLengths, kvLengths, stream })
 * plan.run({ layer: 0, query, key, value, output })
 * await stream.synchronize()
 * ```
 */
export class CudaStream implements Stream, Disposable {
  readonly device: Device
  readonly handle: bigint
  readonly #native: NativeStream
  #disposed = false

  /**
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a device that is no GPU,
   * `ERR_VATTENTION_UNSUPPORTED` without it.
   */
  constructor(device: Device)
  /** @internal `urgent`: of the highest priority. */
  constructor(device: Device, urgent: boolean)
  constructor(device: Device, urgent = false) {
    checkCudaDevice(device)
    const { Stream } = addon()
    this.device = Object.freeze({ ...device })
    this.#native = callNative(() => new Stream(deviceIndex(device), urgent))
    this.handle = this.#native.handle
  }

  /** Whether it was disposed. */
  get disposed(): boolean {
    return this.#disposed
  }

  /**
   * Resolves once everything that it was given until now has ended; the event loop goes on
   * meanwhile.
   * @throws `ERR_VATTENTION_DISPOSED`, `ERR_VATTENTION_BUSY` while it is being captured.
   */
  async synchronize(): Promise<void> {
    using fence = recordFence(this)
    await fence.wait()
  }

  /**
   * Idempotent.
   * @throws `ERR_VATTENTION_BUSY` while it is being captured.
   */
  [Symbol.dispose](): void {
    if (this.#disposed) return
    callNative(() => this.#native.release())
    this.#disposed = true
  }

  /** @internal */
  static native(stream: CudaStream): NativeStream {
    return stream.#native
  }
}
