import { capture, type CudaGraph, type DeviceTensor } from '@vattention/core'
import {
  slice,
  type AttentionBackend,
  type AttentionBatch,
  type AttentionPlan,
  type Tensor,
} from '@vattention/interface'

import { must, type BenchDevice, type Clock, type FilledCache } from '../../harness/index.ts'

/** Rows that all passes use. */
export interface PassTensors {
  readonly query: DeviceTensor
  readonly output: DeviceTensor
  /** New keys and values. */
  readonly newRows: DeviceTensor
}

/** What the calls of one pass took. */
export interface PassTimes {
  readonly stepUs: number
  readonly prepareUs: number
  /** All layers. */
  readonly runUs: number
}

/** What preparing a graph and replaying it took. */
export interface ReplayTimes {
  readonly prepareUs: number
  readonly replayUs: number
}

/** A decode pass of one backend over one cache: every sequence has one new token. */
export class Pass implements Disposable {
  readonly #device: BenchDevice
  readonly #clock: Clock
  readonly #backend: AttentionBackend
  readonly #filled: FilledCache
  readonly #plan: AttentionPlan
  readonly #batch: AttentionBatch
  readonly #tensors: { readonly query: Tensor; readonly output: Tensor; readonly newRows: Tensor }
  #graph: { readonly plan: AttentionPlan; readonly captured: CudaGraph } | undefined

  /** @throws with all reasons when the backend does not serve the cache */
  constructor(
    device: BenchDevice,
    clock: Clock,
    backend: AttentionBackend,
    filled: FilledCache,
    tensors: PassTensors,
  ) {
    const { cache, handles, sequences, length } = filled
    this.#device = device
    this.#clock = clock
    this.#backend = backend
    this.#filled = filled
    const rows = (tensor: Tensor) => slice(tensor, 0, sequences)
    this.#tensors = {
      query: rows(tensors.query),
      output: rows(tensors.output),
      newRows: rows(tensors.newRows),
    }
    this.#batch = {
      cache,
      sequences: handles,
      queryLengths: new Uint32Array(sequences).fill(1),
      kvLengths: new Uint32Array(sequences).fill(length),
      ...(device.stream && { stream: device.stream }),
    }
    this.#plan = backend.createPlan(this.#config, this.#limits)
  }

  get #config() {
    const { cache, shape } = this.#filled
    return { cache, queryHeads: shape.queryHeads, dtype: shape.dtype }
  }

  get #limits() {
    const { sequences, length } = this.#filled
    return { maxSequences: sequences, maxTokens: sequences, maxLength: length }
  }

  #runLayers(plan: AttentionPlan): void {
    const { query, output, newRows } = this.#tensors
    const { layers } = this.#filled.shape
    for (let layer = 0; layer < layers; layer++) {
      plan.run({ layer, query, key: newRows, value: newRows, output })
    }
  }

  async time(): Promise<PassTimes> {
    const { cache, sequences, kvLengths } = this.#batch
    const begun = this.#clock.now()
    const stepped = cache.step(sequences, kvLengths)
    const ready = this.#clock.now()
    this.#plan.prepare(this.#batch)
    const prepared = this.#clock.now()
    this.#runLayers(this.#plan)
    const ended = this.#clock.now()
    must(stepped)
    // Launches must not wait for room in the stream's queue.
    await this.#device.synchronize()
    return {
      stepUs: (ready - begun) * 1000,
      prepareUs: (prepared - ready) * 1000,
      runUs: (ended - prepared) * 1000,
    }
  }

  /** Captures the layers of a plan that is made for it. Of a GPU. */
  async capture(): Promise<void> {
    const { sequences, length } = this.#filled
    const graph = { sequences, maxLength: length }
    const plan = this.#backend.createPlan(this.#config, { ...this.#limits, graph })
    try {
      plan.prepare(this.#batch)
      // What is done once, at the first launch, is no part of a graph.
      this.#runLayers(plan)
      await this.#device.synchronize()
      plan.prepare(this.#batch)
      const captured = capture(this.#device.stream!, () => this.#runLayers(plan))
      this.#graph = { plan, captured }
    } catch (error) {
      await this.#device.synchronize()
      plan[Symbol.dispose]()
      throw error
    }
  }

  get hasGraph(): boolean {
    return this.#graph !== undefined
  }

  async timeGraph(): Promise<ReplayTimes> {
    const { plan, captured } = this.#graph!
    const begun = this.#clock.now()
    plan.prepare(this.#batch)
    const prepared = this.#clock.now()
    captured.replay(this.#device.stream!)
    const ended = this.#clock.now()
    await this.#device.synchronize()
    return { prepareUs: (prepared - begun) * 1000, replayUs: (ended - prepared) * 1000 }
  }

  [Symbol.dispose](): void {
    this.#graph?.captured[Symbol.dispose]()
    this.#graph?.plan[Symbol.dispose]()
    this.#plan[Symbol.dispose]()
  }
}
