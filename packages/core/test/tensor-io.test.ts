import { readFileSync } from 'node:fs'

import { cpu, slice, type DType, type Tensor } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { hostTensor, read, readBits, write } from '../src/index.ts'

const code = (expected: string) => expect.objectContaining({ code: `ERR_VATTENTION_${expected}` })

describe('hostTensor', () => {
  it('is zeroed, dense, aligned and on the CPU', () => {
    for (const shape of [[3], [2, 3, 4], [1, 1, 1, 1, 1, 7], [700, 1024]]) {
      using tensor = hostTensor('float32', shape)
      expect(tensor.data % 64n).toBe(0n)
      expect(tensor.shape).toEqual(shape)
      expect(tensor.device).toEqual(cpu)
      expect(read(tensor).every((value) => value === 0)).toBe(true)
    }
    using tensor = hostTensor('bfloat16', [2, 3, 4])
    expect(tensor.strides).toEqual([12, 4, 1])
  })

  it('may be empty', () => {
    using tensor = hostTensor('float16', [4, 0, 2])
    expect(read(tensor)).toHaveLength(0)
    write(tensor, new Float32Array(0))
  })

  it('tells all reasons against dtype and shape', () => {
    const wrong = () => hostTensor('float64' as DType, [1, -1])
    expect(wrong).toThrow(code('INVALID_TENSOR'))
    try {
      wrong()
    } catch (error) {
      const { reasons } = error as { reasons: { code: string }[] }
      expect(reasons.map((reason) => reason.code)).toEqual(['dtype', 'shape'])
    }
    for (const shape of [[], [1, 1, 1, 1, 1, 1, 1], [1.5], [NaN], [2 ** 50, 2 ** 10]]) {
      expect(() => hostTensor('float32', shape)).toThrow(code('INVALID_TENSOR'))
    }
    expect(() => hostTensor('float32', 3 as never)).toThrow(code('INVALID_TENSOR'))
  })

  it('says when there is not so much memory', () => {
    expect(() => hostTensor('float32', [2 ** 48])).toThrow(code('OUT_OF_MEMORY'))
  })

  it('cannot be used after it was disposed, nor can its slices', () => {
    const tensor = hostTensor('float32', [4, 4])
    const part = slice(tensor, 1, 2)
    tensor[Symbol.dispose]()
    tensor[Symbol.dispose]()
    for (const gone of [tensor, part]) {
      expect(() => read(gone)).toThrow(code('DISPOSED'))
      expect(() => readBits(gone)).toThrow(code('DISPOSED'))
      expect(() => write(gone, new Float32Array(16))).toThrow(code('DISPOSED'))
    }
  })

  it('goes when nobody holds it any more, since V8 knows how much hangs on it', async () => {
    const addressSpace = () =>
      1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1])
    const bytes = 2 ** 24
    const count = 400
    const before = addressSpace()
    for (let i = 0; i < count; i++) {
      hostTensor('float32', [bytes / 4])
      // Finalizers have their turn between two of the event loop.
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(addressSpace() - before).toBeLessThan((count * bytes) / 4)
  })
})

describe('read and write', () => {
  it('give back what was written, in every dtype', () => {
    const values = [0, -0, 1, -1, 0.5, 3.25, -448, 15, 2 ** -6, Infinity, -Infinity, NaN]
    for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
      using tensor = hostTensor(dtype, [3, 4])
      write(tensor, Float32Array.from(values))
      expect([...read(tensor)]).toEqual(values)
    }
    using eight = hostTensor('float8_e4m3', [9])
    write(eight, Float32Array.from(values.slice(0, 9)))
    expect([...read(eight)]).toEqual(values.slice(0, 9))
    using integers = hostTensor('int32', [3])
    write(integers, Int32Array.of(-1, 0, 2 ** 31 - 1))
    expect(read(integers)).toEqual(Int32Array.of(-1, 0, 2 ** 31 - 1))
  })

  it('round to nearest even', () => {
    const rounded = (dtype: DType, ...values: number[]) => {
      using tensor = hostTensor(dtype, [values.length])
      write(tensor, Float32Array.from(values))
      return [...read(tensor)]
    }
    expect(rounded('bfloat16', 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20)).toEqual([
      1,
      1 + 2 ** -6,
      1 + 2 ** -7,
    ])
    expect(rounded('float16', 1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25)).toEqual([
      1,
      1 + 2 ** -9,
      65504,
      Infinity,
      0,
    ])
    expect(rounded('float16', 2 ** -24, 3 * 2 ** -25, 2 ** -14 - 2 ** -26)).toEqual([
      2 ** -24,
      2 ** -23,
      2 ** -14,
    ])
    expect(rounded('float8_e4m3', 1.0625, 1.1875, 448, 463, 465, 2 ** -9, 2 ** -10)).toEqual([
      1,
      1.25,
      448,
      448,
      NaN,
      2 ** -9,
      0,
    ])
  })

  it('know every bit pattern of the small floats', () => {
    for (const dtype of ['float16', 'bfloat16', 'float8_e4m3'] as const) {
      const count = dtype === 'float8_e4m3' ? 256 : 65536
      const Bits = dtype === 'float8_e4m3' ? Uint8Array : Uint16Array
      using tensor = hostTensor(dtype, [count])
      const bits = Bits.from(Array(count).keys())
      write(tensor, bits)
      expect(readBits(tensor)).toEqual(bits)
      const values = read(tensor) as Float32Array
      write(tensor, values)
      const again = readBits(tensor)
      const broken = [...values.keys()].filter((i) => again[i] !== i && !Number.isNaN(values[i]))
      expect(broken).toEqual([])
    }
    using half = hostTensor('float16', [4])
    write(half, Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001))
    expect([...read(half)]).toEqual([1, -2, 65504, 2 ** -24])
    using brain = hostTensor('bfloat16', [3])
    write(brain, Uint16Array.of(0x3f80, 0xc000, 0x7f7f))
    expect([...read(brain)]).toEqual([1, -2, 3.3895313892515355e38])
  })

  it.each(['their own', "somebody's"])('follow strides of any kind, in %s memory', (whose) => {
    using own = hostTensor('float32', [4, 6])
    const { data, dtype, shape, strides, device } = own
    const tensor: Tensor = whose === 'their own' ? own : { data, dtype, shape, strides, device }
    write(
      tensor,
      Float32Array.from({ length: 24 }, (_, i) => i),
    )
    const view = (offset: number, shape: number[], strides: number[]): Tensor => ({
      ...tensor,
      data: tensor.data + BigInt(4 * offset),
      shape,
      strides,
    })
    expect([...read(view(0, [6, 4], [1, 6]))]).toEqual(
      Array.from({ length: 24 }, (_, i) => (i % 4) * 6 + Math.floor(i / 4)),
    )
    expect([...read(view(2, [2, 3], [12, 0]))]).toEqual([2, 2, 2, 14, 14, 14])
    expect([...read(view(23, [1, 1, 1], [0, 9, 7]))]).toEqual([23])
    // The same elements in another order, and a few that lie far apart.
    const transposed = view(0, [3, 4, 2], [2, 6, 1])
    const numbers = Float32Array.from({ length: 24 }, (_, i) => 100 + i)
    write(transposed, numbers)
    expect(read(transposed)).toEqual(numbers)
    expect([...read(view(0, [4, 6], [6, 1]))].slice(0, 8)).toEqual([
      100, 101, 108, 109, 116, 117, 102, 103,
    ])
    expect([...read(view(0, [2], [23]))]).toEqual([100, 123])
    write(
      view(0, [24], [1]),
      Float32Array.from({ length: 24 }, (_, i) => i),
    )
    write(view(1, [2, 2], [12, 2]), Float32Array.of(-1, -2, -3, -4))
    const expected = Float32Array.from({ length: 24 }, (_, i) => i)
    for (const [at, value] of [
      [1, -1],
      [3, -2],
      [13, -3],
      [15, -4],
    ] as const) {
      expected[at] = value
    }
    expect(read(tensor)).toEqual(expected)
  })

  it('stay inside the memory of a tensor that owns it', () => {
    using tensor = hostTensor('float32', [8])
    const beyond = [
      { ...tensor, shape: [9] },
      { ...tensor, data: tensor.data - 4n },
      { ...tensor, shape: [2], strides: [8] },
    ]
    for (const wrong of beyond) expect(() => read(wrong)).toThrow(code('INVALID_TENSOR'))
    expect(() => write({ ...tensor, data: tensor.data + 4n }, new Float32Array(8))).toThrow(
      code('INVALID_TENSOR'),
    )
  })

  it('refuse addresses that are not mapped instead of ending the process', () => {
    const nowhere: Tensor = {
      data: 4096n,
      dtype: 'float32',
      shape: [3],
      strides: [1],
      device: cpu,
    }
    expect(() => read(nowhere)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => write(nowhere, new Float32Array(3))).toThrow(code('INVALID_ARGUMENT'))
    for (const strides of [
      [1, 2],
      [1, 3],
    ]) {
      const permuted = { ...nowhere, shape: [2, 2], strides }
      expect(() => read(permuted)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => write(permuted, new Float32Array(4))).toThrow(code('INVALID_ARGUMENT'))
    }
  })

  it('refuse what is no tensor, with all reasons', () => {
    using good = hostTensor('float32', [2, 2])
    const wrong: [Tensor, ...string[]][] = [
      [{ ...good, device: { type: 'tpu' as never, index: 0 } }, 'device'],
      [{ ...good, shape: [2, 2.5] }, 'shape'],
      [{ ...good, strides: [2] }, 'strides'],
      [{ ...good, strides: [2, -1] }, 'strides'],
      [{ ...good, shape: [2 ** 20, 2 ** 20] }, 'shape'],
      [{ ...good, data: 0n }, 'data'],
      [{ ...good, data: 5 as never, dtype: 'float64' as DType }, 'dtype', 'data'],
    ]
    for (const [tensor, ...codes] of wrong) {
      expect(() => read(tensor)).toThrow(
        expect.objectContaining({
          code: 'ERR_VATTENTION_INVALID_TENSOR',
          reasons: codes.map((name) => expect.objectContaining({ code: name })),
        }),
      )
    }
    expect(() => read(undefined as never)).toThrow(code('INVALID_TENSOR'))
  })

  it('refuse tensors of a GPU that is not there', () => {
    using good = hostTensor('float32', [2, 2])
    const tensor: Tensor = { ...good, device: { type: 'cuda', index: 1000 } }
    expect(() => read(tensor)).toThrow(code('UNSUPPORTED'))
    expect(() => write(tensor, new Float32Array(4))).toThrow(code('UNSUPPORTED'))
  })

  it('refuse arrays of another type or length, and write nothing', () => {
    using tensor = hostTensor('bfloat16', [2])
    write(tensor, Float32Array.of(1, 2))
    for (const values of [
      new Float32Array(3),
      new Float32Array(1),
      new Int32Array(2),
      new Uint32Array(2),
      new Float64Array(2) as never,
      [1, 2] as never,
      undefined as never,
    ]) {
      expect(() => write(tensor, values)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect([...read(tensor)]).toEqual([1, 2])
  })

  it('reach memory of others as well', () => {
    using tensor = hostTensor('float32', [64, 8])
    const { data, dtype, device } = tensor
    const foreign: Tensor = { data, dtype, device, shape: [64, 3], strides: [8, 2] }
    write(
      foreign,
      Float32Array.from({ length: 192 }, (_, i) => i),
    )
    expect(read(foreign)).toEqual(Float32Array.from({ length: 192 }, (_, i) => i))
    expect([...read(tensor)].slice(0, 8)).toEqual([0, 0, 1, 0, 2, 0, 0, 0])
  })
})
