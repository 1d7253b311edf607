/** Capture without streams: what is recorded is done again, on the same tensors, by each replay. */
import { cpu } from '@vattention/interface'

import type { StreamCapture } from '../../src/stream-capture.ts'

export const simulatedCapture: StreamCapture = {
  stream: () => ({ device: cpu, handle: 0n, [Symbol.dispose]: () => undefined }),
  capture: (_, record) => ({ replay: record, [Symbol.dispose]: () => undefined }),
}
