import { cpu, type DType } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { deviceTensor, pinnedTensor, read, write } from '../src/index.ts'
import { code, reasonsOf } from './support/caches.ts'
import { noGpu } from './support/gpu.ts'

describe('deviceTensor', () => {
  it('on the CPU is a tensor of the host', () => {
    using tensor = deviceTensor('bfloat16', [2, 3], cpu)
    expect(tensor).toMatchObject({ device: cpu, shape: [2, 3], strides: [3, 1] })
    write(tensor, Float32Array.of(1, 2, 3, 4, 5, 6))
    expect([...read(tensor)]).toEqual([1, 2, 3, 4, 5, 6])
  })

  it.each([deviceTensor, pinnedTensor])(
    '%o checks what it is given, dtype and shape at once',
    (make) => {
      expect(reasonsOf(() => make('float64' as DType, [], noGpu))).toEqual(['dtype', 'shape'])
      for (const device of [undefined, null, 'cuda', {}, { type: 'tpu' }, { type: 'cuda' }]) {
        expect(() => make('float32', [1], device as never)).toThrow(code('INVALID_ARGUMENT'))
      }
      for (const index of [-1, 0.5, 2 ** 31, 0n]) {
        const device = { type: 'cuda', index } as never
        expect(() => make('float32', [1], device)).toThrow(code('INVALID_ARGUMENT'))
      }
    },
  )

  it.each([deviceTensor, pinnedTensor])('%o says that the GPU is not there', (make) => {
    expect(() => make('float32', [1], noGpu)).toThrow(code('UNSUPPORTED'))
  })

  it('that is pinned is for a GPU', () => {
    expect(() => pinnedTensor('float32', [1], cpu)).toThrow(code('INVALID_ARGUMENT'))
  })
})
