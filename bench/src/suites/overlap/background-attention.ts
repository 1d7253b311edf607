import type { AttentionPlan } from '@vattention/interface'

import {
  enqueue,
  passTokens,
  type AttentionPass,
  type BenchDevice,
  type Sample,
} from '../../harness/index.ts'
import type { LiveCell, LiveSubject } from '../attention/live-cell.ts'

/** Attention that goes on while this thread does other things. */
export interface BackgroundAttention extends Disposable {
  /**
   * Times some launches together.
   *
   * @param meanwhile Called when they begin: starts what goes on beside them.
   */
  time(launches: number, meanwhile: () => void): Promise<Sample>
}

/** A subject of a cell, to be timed beside other things. */
export function backgroundAttention(
  device: BenchDevice,
  live: LiveCell,
  subject: LiveSubject,
  pass: AttentionPass,
): BackgroundAttention {
  return device.isGpu
    ? new EnqueuedAttention(device, subject)
    : new ThreadAttention(device, live, subject, pass)
}

/** On a GPU: launches are enqueued, and this thread waits for them without being blocked. */
class EnqueuedAttention implements BackgroundAttention {
  readonly #device: BenchDevice
  readonly #subject: LiveSubject
  #launched = 0

  constructor(device: BenchDevice, subject: LiveSubject) {
    this.#device = device
    this.#subject = subject
  }

  async time(launches: number, meanwhile: () => void): Promise<Sample> {
    const { subject, timed } = this.#subject
    const from = Date.now()
    meanwhile()
    const of = { subject, layers: timed.layers, launches }
    const { start, end } = enqueue(this.#device, of, this.#launched)
    this.#launched += launches
    try {
      await this.#device.synchronize()
      return { ms: end.millisecondsSince(start) / launches, from, to: Date.now() }
    } finally {
      start[Symbol.dispose]()
      end[Symbol.dispose]()
    }
  }

  [Symbol.dispose](): void {
    // The cell's own subject was used.
  }
}

/**
 * On the CPU: a plan of its own, which computes off this thread. A launch begins when this thread has
 * heard of the one before.
 */
class ThreadAttention implements BackgroundAttention {
  readonly #device: BenchDevice
  readonly #plan: AttentionPlan
  readonly #tensors: ReturnType<LiveCell['rows']['of']>
  readonly #layers: number
  #launched = 0

  constructor(
    device: BenchDevice,
    live: LiveCell,
    { backend, cache: name, timed }: LiveSubject,
    pass: AttentionPass,
  ) {
    const { cache, shape, handles, sequences, length } = live.filled(name)
    const maxTokens = passTokens(pass)
    this.#device = device
    this.#layers = timed.layers
    this.#tensors = live.rows.of(maxTokens)
    this.#plan = backend.createPlan(
      { cache, queryHeads: shape.queryHeads, dtype: shape.dtype },
      { maxSequences: sequences, maxTokens, maxLength: length },
    )
    this.#plan.prepare({
      cache,
      sequences: handles,
      queryLengths: Uint32Array.from(pass.queryLengths),
      kvLengths: Uint32Array.from(pass.kvLengths),
    })
  }

  async time(launches: number, meanwhile: () => void): Promise<Sample> {
    // It takes this thread's time: nothing goes on beside it yet.
    this.#device.flush()
    const from = Date.now()
    meanwhile()
    const start = this.#device.point()
    for (let i = 0; i < launches; i++) {
      await this.#plan.runAsync({ layer: this.#launched++ % this.#layers, ...this.#tensors })
    }
    const end = this.#device.point()
    return { ms: end.millisecondsSince(start) / launches, from, to: Date.now() }
  }

  [Symbol.dispose](): void {
    this.#plan[Symbol.dispose]()
  }
}
