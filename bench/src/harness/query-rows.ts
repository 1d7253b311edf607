import { copy, type DeviceTensor } from '@vattention/core'
import { slice, type Tensor } from '@vattention/interface'

import type { NamedShape } from '../suite/named-shape.ts'
import type { BenchDevice } from './bench-device.ts'
import type { Noise } from './noise.ts'

/** Query rows, and the output that all subjects write to in turn. */
export class QueryRows implements Disposable {
  /** Of the queries. */
  readonly noise: Noise
  readonly #query: DeviceTensor
  readonly #output: DeviceTensor

  /** @param tokens Most rows of a pass. */
  constructor(device: BenchDevice, shape: NamedShape, tokens: number, noise: Noise) {
    const { queryHeads, headDim, dtype } = shape
    this.noise = noise
    this.#query = device.tensor(dtype, [tokens, queryHeads, headDim])
    this.#output = device.tensor(dtype, [tokens, queryHeads, headDim])
    for (let at = 0; at < tokens; at += noise.rows) {
      const count = Math.min(noise.rows, tokens - at)
      copy(slice(noise.tensor, 0, count), slice(this.#query, at, at + count), device.stream)
    }
  }

  /** The first rows, as a pass of so many takes them. */
  of(tokens: number): { query: Tensor; output: Tensor } {
    return { query: slice(this.#query, 0, tokens), output: slice(this.#output, 0, tokens) }
  }

  [Symbol.dispose](): void {
    this.#query[Symbol.dispose]()
    this.#output[Symbol.dispose]()
  }
}
