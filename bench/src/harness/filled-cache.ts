import type { ContiguousKvCache } from '@vattention/core'
import { slice, type AttentionBackend } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

import type { NamedShape } from '../suite/named-shape.ts'
import { refusal } from './backends.ts'
import type { BenchDevice } from './bench-device.ts'
import { makeCache, type CacheOptions } from './make-cache.ts'
import type { Noise } from './noise.ts'
import type { Random } from './random.ts'
import { must, scatterShare } from './scatter-blocks.ts'

/** A cache that holds sequences of one length, filled with noise: what attention is measured over. */
export class FilledCache {
  readonly shape: NamedShape
  readonly sequences: number
  /** Tokens of each. */
  readonly length: number
  /** Of keys and values. */
  readonly noise: Noise
  readonly cache: ContiguousKvCache | PagedKvCache
  readonly handles: Uint32Array
  /** How much out of order a paged cache's blocks are. */
  readonly scatter?: number
  readonly #chunk: number

  /**
   * @param backends One of them fills it: the first that serves it.
   * @throws when none does, or there is not enough memory
   */
  constructor(
    device: BenchDevice,
    options: CacheOptions,
    backends: Iterable<AttentionBackend>,
    noise: Noise,
    random: Random,
  ) {
    const { sequences, length } = options
    this.shape = options.shape
    this.sequences = sequences
    this.length = length
    this.noise = noise
    this.#chunk = Math.min(length, Math.floor(noise.rows / sequences))
    if (this.#chunk < 1) {
      throw new Error(`${noise.rows} rows of noise are too few for ${sequences} sequences`)
    }
    const cache = makeCache(device.device, options, random)
    this.cache = cache
    try {
      this.handles = Uint32Array.from(
        { length: sequences },
        () => cache.allocate()!.sequence as number,
      )
      must(cache.step(this.handles, new Uint32Array(sequences).fill(length)))
      if (cache instanceof PagedKvCache) this.scatter = scatterShare(cache, this.handles, length)
      this.#fill(device, backends)
    } catch (error) {
      // What was enqueued has to end first.
      cache.disposeAsync().catch(() => undefined)
      throw error
    }
  }

  /** The row of noise that is the key (kind 0) or value (kind 1) of a token. */
  noiseRow(layer: number, kind: 0 | 1, sequence: number, token: number): number {
    const chunk = Math.floor(token / this.#chunk)
    const tokens = this.#tokensOf(chunk)
    return this.#shift(layer, kind, chunk) + sequence * tokens + (token % this.#chunk)
  }

  /** Tokens of each sequence that are written together: the last chunk may have fewer. */
  #tokensOf(chunk: number): number {
    return Math.min(this.#chunk, this.length - chunk * this.#chunk)
  }

  #shift(layer: number, kind: 0 | 1, chunk: number): number {
    return (layer * 977 + kind * 463 + chunk * 131) % this.noise.rows
  }

  #fill(device: BenchDevice, backends: Iterable<AttentionBackend>): void {
    const { cache, handles, sequences, length, noise } = this
    const { layers, queryHeads, dtype } = this.shape
    const config = { cache, queryHeads, dtype }
    const backend = [...backends].find((one) => refusal(one, config) === undefined)
    if (!backend) throw new Error('no backend can write into this cache')
    const plan = backend.createPlan(config, {
      maxSequences: sequences,
      maxTokens: sequences * this.#chunk,
      maxLength: length,
    })
    try {
      for (let chunk = 0; chunk * this.#chunk < length; chunk++) {
        const tokens = this.#tokensOf(chunk)
        plan.prepare({
          cache,
          sequences: handles,
          queryLengths: new Uint32Array(sequences).fill(tokens),
          kvLengths: new Uint32Array(sequences).fill(chunk * this.#chunk + tokens),
          ...(device.stream && { stream: device.stream }),
        })
        const rows = (layer: number, kind: 0 | 1) => {
          const from = this.#shift(layer, kind, chunk)
          return slice(noise.tensor, from, from + sequences * tokens)
        }
        for (let layer = 0; layer < layers; layer++) {
          plan.append({ layer, key: rows(layer, 0), value: rows(layer, 1) })
        }
      }
    } finally {
      plan[Symbol.dispose]()
    }
  }

  /** Waits for work that is in flight. */
  dispose(): Promise<void> {
    return this.cache.disposeAsync()
  }
}
