import { setTimeout as sleep } from 'node:timers/promises'

import { ContiguousKvCache } from '@vattention/core'

import { must, type Clock } from '../../harness/index.ts'
import { namedCache, tokenBytes, type NamedShape, type SuiteContext } from '../../suite/index.ts'
import { contiguousOptions } from '../memory/open-cache.ts'

const kib = 2 ** 10
const mib = 2 ** 20

/** Smallest pages of a device: those that growing sequences get. A turn maps a few of them. */
const sizes = {
  gpu: { pageBytes: 2 * mib, turnBytes: 128 * mib },
  cpu: { pageBytes: 64 * kib, turnBytes: 4 * mib },
}

/** Bytes that were mapped and unmapped since the cache was made. */
export interface ChurnedBytes {
  readonly mapped: number
  readonly unmapped: number
}

/** What maps and unmaps for other sequences; tests give one that does not. */
export interface Churn {
  /** @param gbPerSecond That are mapped; Infinity: as fast as it goes. */
  start(gbPerSecond: number): void
  /** Waits for what is under way, and throws what ended it. */
  stop(): Promise<void>
  bytes(): ChurnedBytes
  dispose(): Promise<void>
}

/** Makes one for a model's sequences. */
export type OpenChurn = (
  context: Pick<SuiteContext, 'device' | 'clock'>,
  shape: NamedShape,
) => Churn

/**
 * Sequences of a cache of their own: one begins, the mapper maps ahead for it, it ends, and its memory
 * goes back to the driver. Everything is awaited, so that this thread can do other things.
 */
export class MapperChurn implements Churn {
  readonly #clock: Clock
  readonly #cache: ContiguousKvCache
  readonly #pageBytes: number
  #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #failure: unknown

  constructor({ device, clock }: Pick<SuiteContext, 'device' | 'clock'>, shape: NamedShape) {
    const { pageBytes, turnBytes } = sizes[device.isGpu ? 'gpu' : 'cpu']
    const tokens = Math.ceil(turnBytes / tokenBytes(shape))
    this.#clock = clock
    this.#pageBytes = pageBytes
    this.#cache = new ContiguousKvCache(
      contiguousOptions(device.device, {
        shape,
        cache: namedCache('interleaved'),
        maxSequences: 4,
        maxLength: 2 * tokens + 1,
        limitBytes: 4 * tokens * tokenBytes(shape),
        // One class: bytes are pages times its size.
        ...{ pageBytes: [pageBytes], sharePageBytes: pageBytes },
        // The mapper rests when half of that is there; and it maps nothing else.
        mapAhead: { tokens: 2 * tokens, idleSlots: 0, lowWaterBytes: 0 },
      }),
    )
  }

  start(gbPerSecond: number): void {
    this.#stopping = new AbortController()
    this.#running = this.#turns(gbPerSecond).catch((error: unknown) => {
      this.#failure ??= error
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
  }

  bytes(): ChurnedBytes {
    const { pagesMapped, pagesUnmapped } = this.#cache.stats()
    return { mapped: pagesMapped * this.#pageBytes, unmapped: pagesUnmapped * this.#pageBytes }
  }

  async dispose(): Promise<void> {
    await this.#cache.disposeAsync()
  }

  async #turns(gbPerSecond: number): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const begun = this.#clock.now()
      const before = this.bytes().mapped
      const { sequence } = this.#cache.allocate()!
      must(await this.#cache.stepAsync(Uint32Array.of(sequence), Uint32Array.of(1)))
      await this.#cache.mapper.drainAsync()
      // How much that is, the mapper decides.
      const turnMs = (this.bytes().mapped - before) / (gbPerSecond * 1e6)
      this.#cache.free(sequence)
      await this.#cache.trimAsync()
      const left = begun + turnMs - this.#clock.now()
      // Who stops it does not wait for the next turn.
      if (left > 0) await sleep(left, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** The real one. */
export const openChurn: OpenChurn = (context, shape) => new MapperChurn(context, shape)
