import { cpu, type Tensor } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { copy, HostTimeline, hostTensor, read, readBits, write } from '../src/index.ts'
import { code, reasonsOf } from './support/caches.ts'
import { noGpu } from './support/gpu.ts'

const numbered = (...shape: number[]) => {
  const tensor = hostTensor('float32', shape)
  write(
    tensor,
    Float32Array.from(read(tensor), (_, i) => i),
  )
  return tensor
}

describe('copy', () => {
  it('within the host follows the strides of both sides', () => {
    using from = numbered(3, 4)
    using to = hostTensor('float32', [4, 8])
    const transposed: Tensor = { ...from, shape: [4, 3], strides: [1, 4] }
    const spread: Tensor = { ...to, shape: [4, 3], strides: [8, 2] }
    copy(transposed, spread)
    expect(read(spread)).toEqual(read(transposed))
    expect([...read(to)].slice(0, 8)).toEqual([0, 0, 4, 0, 8, 0, 0, 0])
    copy(from, { ...to, shape: [3, 4], strides: [4, 1] }, { device: cpu, handle: 0n })
    expect([...read(to)].slice(0, 12)).toEqual([...read(from)])
  })

  it('keeps bits: a NaN keeps its payload', () => {
    using from = hostTensor('bfloat16', [3])
    using to = hostTensor('bfloat16', [3])
    const bits = Uint16Array.of(0x7fc1, 0xffa5, 0x8000)
    write(from, bits)
    copy(from, to)
    expect(readBits(to)).toEqual(bits)
  })

  it('of nothing does nothing', () => {
    using from = hostTensor('float32', [0, 4])
    using to = hostTensor('float32', [0, 4])
    copy(from, to)
  })

  it('tells all reasons why two tensors do not go together', () => {
    using from = hostTensor('float32', [2, 3])
    using to = hostTensor('bfloat16', [3, 2])
    expect(reasonsOf(() => copy(from, to))).toEqual(['dtype', 'shape'])
    expect(reasonsOf(() => copy(from, { ...from, strides: [0, 1] }))).toEqual(['strides'])
    expect(() => copy(from, undefined as never)).toThrow(code('INVALID_TENSOR'))
    expect(() => copy({ ...from, shape: [9] }, to)).toThrow(code('INVALID_TENSOR'))
  })

  it('takes a stream of one of the two devices only', () => {
    using from = hostTensor('float32', [2])
    using to = hostTensor('float32', [2])
    using timeline = new HostTimeline()
    const there: Tensor = { ...to, device: noGpu, owner: undefined } as Tensor
    for (const stream of [timeline, { device: noGpu, handle: 1n }, {}, 'stream']) {
      expect(() => copy(from, to, stream as never)).toThrow(code('INVALID_ARGUMENT'))
    }
    for (const stream of [timeline, { device: { type: 'cuda', index: 3 }, handle: 1n } as const]) {
      expect(() => copy(from, there, stream)).toThrow(code('INVALID_ARGUMENT'))
    }
  })

  it('says that the GPU is not there, and that memory was given back', () => {
    using from = hostTensor('float32', [2])
    const to = hostTensor('float32', [2])
    const there: Tensor = { ...to, device: noGpu, owner: undefined } as Tensor
    expect(() => copy(from, there)).toThrow(code('UNSUPPORTED'))
    expect(() => copy(there, there)).toThrow(code('UNSUPPORTED'))
    expect(() => copy(from, there, { device: noGpu, handle: 5n })).toThrow(code('UNSUPPORTED'))
    to[Symbol.dispose]()
    expect(() => copy(from, to)).toThrow(code('DISPOSED'))
    expect(() => copy(to, from)).toThrow(code('DISPOSED'))
  })
})
