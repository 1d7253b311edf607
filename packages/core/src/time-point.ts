import { deviceIndex, deviceTypeCode, errors, sameDevice, type Stream } from '@vattention/interface'

import { callNative } from '../../../native/node/native-error.ts'
import { addon, type NativeTimePoint } from './addon.ts'
import { checkCudaStream } from './check-device.ts'

/**
 * A point in the order of a GPU's stream, and when it passed by the GPU's own clock: what the time
 * of kernels is measured with, since the host only sees when it has given them to the stream.
 *
 * @example
 * ```ts
 * using start = recordTime(stream)
 * plan.run({ layer: 0, query, output })
 * using end = recordTime(stream)
 * await stream.synchronize()
 * end.millisecondsSince(start)
 * ```
 */
export class TimePoint implements Disposable {
  readonly stream: Stream
  readonly #native: NativeTimePoint
  #disposed = false

  /** @internal */
  constructor(stream: Stream) {
    const { device, handle } = stream
    const { TimePoint } = addon()
    this.stream = stream
    this.#native = callNative(
      () => new TimePoint(deviceTypeCode(device), deviceIndex(device), handle),
    )
  }

  /**
   * Milliseconds from another point to this one, with a resolution of about half a microsecond. The
   * two may be of different streams.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a point of another device, `ERR_VATTENTION_BUSY`
   * while one of the two has not passed, `ERR_VATTENTION_DISPOSED`.
   */
  millisecondsSince(earlier: TimePoint): number {
    if (!(earlier instanceof TimePoint) || !sameDevice(earlier.stream.device, this.stream.device)) {
      throw errors.invalidArgument('earlier', 'a point in time of the same device', String(earlier))
    }
    if (this.#disposed || earlier.#disposed) throw errors.disposed('The point in time')
    return callNative(() => this.#native.millisecondsSince(earlier.#native))
  }

  /** Idempotent. */
  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#native.release()
  }
}

/**
 * The point that a stream of a GPU is at, with the time when it passes.
 *
 * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a stream that is none of a GPU,
 * `ERR_VATTENTION_UNSUPPORTED` without the device, `ERR_VATTENTION_BUSY` for a stream that is being
 * captured.
 */
export function recordTime(stream: Stream): TimePoint {
  checkCudaStream(stream)
  return new TimePoint(stream)
}
