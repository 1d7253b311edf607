import { cpu } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { capture, CudaStream, CudaTestStream, HostTimeline } from '../src/index.ts'
import { code } from './support/caches.ts'
import { noGpu } from './support/gpu.ts'

describe.each([CudaStream, CudaTestStream])('%o', (Stream) => {
  it('is of a GPU', () => {
    for (const device of [undefined, cpu, { type: 'cuda' }]) {
      expect(() => new Stream(device as never)).toThrow(code('INVALID_ARGUMENT'))
    }
  })

  it('says that the GPU is not there', () => {
    expect(() => new Stream(noGpu)).toThrow(code('UNSUPPORTED'))
  })
})

describe('capture', () => {
  const never = () => {
    throw new Error('was called')
  }

  it('takes a stream of a GPU that is not the default one, and a function', () => {
    using timeline = new HostTimeline()
    for (const stream of [undefined, timeline, { device: cpu, handle: 0n }]) {
      expect(() => capture(stream as never, never)).toThrow(code('INVALID_ARGUMENT'))
    }
    for (const handle of [0n, 1n]) {
      expect(() => capture({ device: noGpu, handle }, never)).toThrow(code('INVALID_ARGUMENT'))
    }
    const stream = { device: noGpu, handle: 9n }
    expect(() => capture(stream, undefined as never)).toThrow(code('INVALID_ARGUMENT'))
  })

  it('says that the GPU is not there, and calls nothing', () => {
    expect(() => capture({ device: noGpu, handle: 9n }, never)).toThrow(code('UNSUPPORTED'))
  })
})
