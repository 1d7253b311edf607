/**
 * Memory without memory: tensors live in JavaScript arrays under made-up addresses, so that the kit
 * tests itself without native code. Whatever reaches outside an allocation throws.
 */
import {
  cpu,
  denseStrides,
  dtypeBytes,
  elementCount,
  errors,
  type Device,
  type DType,
  type Tensor,
} from '@vattention/interface'

import type { Memory } from '../../src/memory.ts'
import { rounding } from '../../src/number-formats.ts'

/** Each allocation has a region of its own, far from the next. */
const regionBits = 44n

export class SimulatedMemory implements Memory {
  readonly device: Device = cpu
  readonly #regions: { readonly dtype: DType; readonly values: Float32Array }[] = []

  tensor(dtype: DType, shape: readonly number[]): Tensor {
    const elements = elementCount(shape)
    if (elements > 2 ** 30) throw errors.outOfMemory('A tensor', elements, 'This is a simulation.')
    this.#regions.push({ dtype, values: new Float32Array(elements) })
    const data = BigInt(this.#regions.length) << regionBits
    return { data, dtype, shape, strides: denseStrides(shape), device: cpu }
  }

  read(tensor: Tensor): Float32Array {
    const out = new Float32Array(elementCount(tensor.shape))
    let at = 0
    this.#eachRow(tensor, (values, start, count, stride) => {
      if (stride === 1) out.set(values.subarray(start, start + count), at)
      else for (let i = 0; i < count; i++) out[at + i] = values[start + i * stride]!
      at += count
    })
    return out
  }

  write(tensor: Tensor, from: Float32Array): void {
    if (from.length !== elementCount(tensor.shape)) throw new RangeError('wrong number of values')
    const round = rounding[tensor.dtype]
    let at = 0
    this.#eachRow(tensor, (values, start, count, stride) => {
      for (let i = 0; i < count; i++) values[start + i * stride] = round(from[at + i]!)
      at += count
    })
  }

  #eachRow(
    { data, dtype, shape, strides }: Tensor,
    visit: (values: Float32Array, start: number, count: number, stride: number) => void,
  ): void {
    if (elementCount(shape) === 0) return
    const region = this.#regions[Number(data >> regionBits) - 1]
    if (region?.dtype !== dtype) throw new RangeError(`no ${dtype} memory at ${data}`)
    const first = Number(data & ((1n << regionBits) - 1n)) / dtypeBytes[dtype]
    const last = shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, first)
    if (!(last < region.values.length))
      throw new RangeError(`element ${last} is outside its memory`)
    const rows = elementCount(shape) / shape.at(-1)!
    for (let row = 0; row < rows; row++) {
      let start = first
      for (let axis = shape.length - 2, rest = row; axis >= 0; axis--) {
        start += (rest % shape[axis]!) * strides[axis]!
        rest = Math.floor(rest / shape[axis]!)
      }
      visit(region.values, start, shape.at(-1)!, strides.at(-1)!)
    }
  }
}
