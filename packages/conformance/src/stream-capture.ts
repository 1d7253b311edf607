/** How the kit captures what a plan enqueues, to replay it later. */
import { capture, CudaStream } from '@vattention/core'
import type { Device, Stream } from '@vattention/interface'

/** What was captured. */
export interface CapturedWork extends Disposable {
  /** Gives all of it to a stream. */
  replay(stream: Stream): void
}

/** Streams of one device, and graphs of what they are given. */
export interface StreamCapture {
  /** A stream that can be captured. */
  stream(): Stream & Disposable
  /** Captures what `record` gives to a stream; nothing of it runs. */
  capture(stream: Stream, record: () => void): CapturedWork
}

/** The streams and graphs of `@vattention/core`; `undefined` on the CPU, which has none. */
export function streamCapture(device: Device): StreamCapture | undefined {
  if (device.type === 'cpu') return undefined
  return { stream: () => new CudaStream(device), capture }
}
