import {
  deviceIndex,
  deviceName,
  deviceTypeCode,
  errors,
  sameDevice,
  type Device,
  type Stream,
} from '@vattention/interface'

import { callNative } from '../../../native/node/native-error.ts'
import { addon, type NativeGraph } from './addon.ts'
import { checkCudaStream } from './check-device.ts'

/** CUDA's numbers for the default streams that take part in everybody's order. */
const legacyStreams = [0n, 1n]

/**
 * What a stream was given while it was captured, to be given to streams again and again at the cost
 * of one launch. Addresses and sizes are what they were; what lies at the addresses is read anew: a
 * cache may grow, and pages move, between replays.
 *
 * The memory that it works on has to live as long: return the tensors from the function that is
 * captured, and the graph keeps them from being collected.
 */
export class CudaGraph<Result = unknown> implements Disposable {
  readonly device: Device
  /** What the captured function returned. */
  readonly result: Result
  readonly #native: NativeGraph
  #disposed = false

  /** @internal */
  constructor(native: NativeGraph, device: Device, result: Result) {
    this.#native = native
    this.device = device
    this.result = result
  }

  /**
   * Gives all of it to a stream of its device. Returns at once.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a stream of another device,
   * `ERR_VATTENTION_DISPOSED`, `ERR_VATTENTION_DEVICE`.
   */
  replay(stream: Stream): void {
    checkCudaStream(stream)
    if (this.#disposed) throw errors.disposed('The graph')
    const { device, handle } = stream
    if (!sameDevice(device, this.device)) {
      const expected = `a stream of ${deviceName(this.device)}`
      throw errors.invalidArgument('stream', expected, deviceName(device))
    }
    callNative(() => this.#native.launch(deviceTypeCode(device), deviceIndex(device), handle))
  }

  /** What was replayed runs to its end; a second call does nothing. */
  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#native.release()
  }
}

/**
 * Captures what `record` gives to a stream, into a graph: nothing of it runs now.
 *
 * Meanwhile nothing may wait for the device: `read`, `write` and `copy` without a stream, fences and
 * `waitReady` on the stream are refused with `ERR_VATTENTION_BUSY`. So prepare plans before, and
 * capture what `run` enqueues. Steps of caches are fine, and so is the thread that maps ahead; what
 * leaves a sequence waits until the capture has ended.
 *
 * @param stream Any stream of a GPU but its default one.
 * @param record Returns when all is given to the stream; what it returns is the graph's `result`. If
 * it throws, so does `capture`, and the stream is as it was.
 * @throws `ERR_VATTENTION_INVALID_ARGUMENT`; `ERR_VATTENTION_BUSY` for a stream that is being
 * captured already; `ERR_VATTENTION_DEVICE` when something was done that no graph can hold;
 * `ERR_VATTENTION_UNSUPPORTED` without the device.
 * @example
 * ```ts
 * plan.prepare({ cache, sequences, queryLengths, kvLengths, stream })
 * using graph = capture(stream, () => {
 *   for (let layer = 0; layer < layers; layer++) plan.run({ layer, query, key, value, output })
 *   return [query, key, value, output]
 * })
 * graph.replay(stream)
 * ```
 */
export function capture<Result>(stream: Stream, record: () => Result): CudaGraph<Result> {
  checkCudaStream(stream)
  const { device, handle } = stream
  if (legacyStreams.includes(handle)) {
    throw errors.invalidArgument('stream', 'a stream other than the default one', String(handle))
  }
  if (typeof record !== 'function') {
    throw errors.invalidArgument('record', 'a function', typeof record)
  }
  const { beginCapture, endCapture } = addon()
  const place = [deviceTypeCode(device), deviceIndex(device), handle] as const
  callNative(() => beginCapture(...place))
  let result: Result
  try {
    result = record()
    checkReturned(result)
  } catch (error) {
    callNative(() => endCapture(...place, false))
    throw error
  }
  const native = callNative(() => endCapture(...place, true))!
  return new CudaGraph(native, Object.freeze({ ...device }), result)
}

/** A promise would go on giving work to the stream when it is not captured any more. */
function checkReturned(result: unknown): void {
  if (typeof (result as Partial<PromiseLike<unknown>> | undefined)?.then !== 'function') return
  // Its failure is not the reason.
  Promise.resolve(result).catch(() => undefined)
  throw errors.invalidArgument(
    'record',
    'a function that has given all to the stream when it returns',
    'one that returns a promise',
  )
}
