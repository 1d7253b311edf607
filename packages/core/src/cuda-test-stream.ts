import { errors, type Device, type Stream } from '@vattention/interface'

import { callNative } from '../../../native/node/native-error.ts'
import { addon, type NativeStreamGate } from './addon.ts'
import { CudaStream } from './cuda-stream.ts'

/**
 * For tests: a stream of a GPU with work that ends when the test says so, as `HostTimeline` is on
 * the CPU. What the stream is given after a piece of work waits for its end.
 */
export class CudaTestStream implements Stream, Disposable {
  readonly device: Device
  readonly handle: bigint
  readonly #stream: CudaStream
  readonly #gate: NativeStreamGate
  #submitted = 0

  /** @throws As `CudaStream`; `ERR_VATTENTION_UNSUPPORTED` when the driver is too old for it. */
  constructor(device: Device) {
    // Apart from all other streams: those of one priority share a few queues, where held work would
    // hold the work of others.
    this.#stream = new CudaStream(device, true)
    this.device = this.#stream.device
    this.handle = this.#stream.handle
    const { StreamGate } = addon()
    this.#gate = callNative(() => new StreamGate(CudaStream.native(this.#stream)))
  }

  /** Whether it was disposed. */
  get disposed(): boolean {
    return this.#stream.disposed
  }

  /**
   * Starts a piece of work and returns its number.
   * @throws `ERR_VATTENTION_DISPOSED`
   */
  submit(): number {
    if (this.disposed) throw errors.disposed('The stream')
    this.#submitted = callNative(() => this.#gate.submit())
    return this.#submitted
  }

  /**
   * Ends all work up to number `work`. Returns when the GPU has noticed: fences recorded before the
   * next piece of work have passed.
   * @param work Defaults to all.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for work that was not submitted.
   */
  complete(work = this.#submitted): void {
    if (!Number.isSafeInteger(work) || work < 0 || work > this.#submitted) {
      throw errors.invalidArgument('work', `an integer of 0..${this.#submitted}`, String(work))
    }
    if (!this.disposed) callNative(() => this.#gate.complete(work))
  }

  /** Resolves once all that it was given has ended: complete its work first. */
  synchronize(): Promise<void> {
    return this.#stream.synchronize()
  }

  /** Ends all work; idempotent. */
  [Symbol.dispose](): void {
    if (this.disposed) return
    this.#gate.release()
    this.#stream[Symbol.dispose]()
  }
}
