/**
 * Looks into a cache: writes rows whose content follows from a label, a layer and a token, and says
 * whether they are still there. Checks the books after every step.
 */
import type { CacheStats, KvCache, Sequence, StepResult } from '@vattention/interface'

import { CacheRows } from '../cache-rows.ts'
import { ConformanceFailure } from '../case.ts'
import { expect, sameBits } from '../expect.ts'
import type { Memory } from '../memory.ts'
import { roundAll } from '../number-formats.ts'
import { fillRandom, mix } from '../random.ts'

const kinds = ['key', 'value'] as const

/** See the file's head. */
export class CacheProbe implements Disposable {
  readonly cache: KvCache
  readonly rows: CacheRows

  constructor(cache: KvCache, memory: Memory) {
    this.cache = cache
    this.rows = new CacheRows(cache, memory)
  }

  /** A new sequence with `length` tokens of `label` in it. */
  add(length: number, label?: number): Sequence {
    const sequence = this.allocate()
    if (length > 0) this.step([sequence], [length])
    if (label !== undefined) this.write(sequence, label, 0, length)
    return sequence
  }

  /** A new sequence without tokens. */
  allocate(): Sequence {
    const allocation = this.cache.allocate()
    expect(allocation !== undefined, 'allocate: expected a slot, found none')
    return allocation.sequence
  }

  /** A fork, which has to get a slot. */
  fork(source: Sequence, length: number): Sequence {
    const fork = this.cache.fork(source, length)
    expect(fork !== undefined, 'fork: expected a slot, found none')
    return fork
  }

  /** `step`, whatever comes of it. */
  tryStep(sequences: readonly Sequence[], lengths: readonly number[]): StepResult {
    const result = this.cache.step(Uint32Array.from(sequences), Uint32Array.from(lengths))
    this.checkBooks('after step')
    return result
  }

  /** `step`, which has to succeed. */
  step(sequences: readonly Sequence[], lengths: readonly number[]): void {
    const result = this.tryStep(sequences, lengths)
    expect(result.status === 'ok', `step: expected ok, found ${JSON.stringify(result)}`)
    for (const [i, sequence] of sequences.entries()) {
      const backed = this.cache.backedLength(sequence)
      expect(backed >= lengths[i]!, `backedLength: expected ${lengths[i]} or more, found ${backed}`)
    }
  }

  /** Writes tokens `[from, to)` of `label` into all layers. */
  write(sequence: Sequence, label: number, from: number, to: number): void {
    for (const { layer, kind } of this.#tensors()) {
      this.rows.write(sequence, layer, kind, from, this.#made(label, layer, kind, from, to))
    }
  }

  /** Fills tokens with one value in all layers: NaN shows wherever it goes. */
  fill(sequence: Sequence, value: number, from: number, to: number): void {
    for (const { layer, kind } of this.#tensors()) {
      const rows = new Float32Array((to - from) * this.rows.width(kind)).fill(value)
      this.rows.write(sequence, layer, kind, from, rows)
    }
  }

  /** Fails unless tokens `[from, to)` are those of `label`. */
  expectRows(sequence: Sequence, label: number, from: number, to: number, what: string): void {
    this.#expectEach(sequence, label, from, to, what, 'those written', sameBits)
  }

  /** Fails unless tokens `[from, to)` are zero. */
  expectZeros(sequence: Sequence, from: number, to: number, what: string): void {
    this.#expectEach(sequence, 0, from, to, what, 'zero', (found) => found === 0)
  }

  /** Fails unless every value is zero or what `label` has there: nobody else's. */
  expectZerosOrOwn(
    sequence: Sequence,
    label: number,
    from: number,
    to: number,
    what: string,
  ): void {
    const allowed = (found: number, own: number) => found === 0 || sameBits(found, own)
    this.#expectEach(sequence, label, from, to, what, 'zero or its own', allowed)
  }

  /** Grows one sequence by `chunk` tokens until memory runs out; its length and what `step` said. */
  growUntilFull(sequence: Sequence, chunk: number) {
    for (let length = this.cache.backedLength(sequence); ; length += chunk) {
      expect(length + chunk <= this.cache.shape.maxLength, 'memory never ran out')
      const result = this.tryStep([sequence], [length + chunk])
      if (result.status !== 'ok') return { length, result }
    }
  }

  /** Fails unless the states sum to the total and the parts fit together. */
  checkBooks(when: string): CacheStats {
    const stats = this.cache.stats()
    const { mappedBytes, retainedBytes, parkedBytes, condemnedBytes, freeBytes, totalBytes } = stats
    const sum = mappedBytes + retainedBytes + parkedBytes + condemnedBytes + freeBytes
    const equal = (found: number, expected: number, name: string) =>
      expect(found === expected, `stats ${when}: ${name} is ${found}, expected ${expected}`)
    equal(sum, totalBytes, 'the sum of mapped, retained, parked, condemned and free')
    const parts = stats.neededBytes + stats.aheadBytes + stats.surplusBytes
    equal(parts, mappedBytes, 'the sum of needed, ahead and surplus')
    equal(stats.wasteBytes, stats.neededBytes - stats.usedBytes, 'wasteBytes')
    expect(stats.wasteBytes >= 0, `stats ${when}: wasteBytes is ${stats.wasteBytes}`)
    expect(stats.sharedBytes <= mappedBytes, `stats ${when}: more bytes shared than mapped`)
    const negative = Object.entries(stats).find(
      ([, value]) => typeof value === 'number' && value < 0,
    )
    expect(!negative, `stats ${when}: ${negative?.[0]} is ${negative?.[1]}`)
    return stats
  }

  [Symbol.dispose](): void {
    this.cache[Symbol.dispose]()
  }

  *#tensors() {
    for (let layer = 0; layer < this.cache.shape.layers; layer++) {
      for (const kind of kinds) yield { layer, kind }
    }
  }

  #made(label: number, layer: number, kind: 'key' | 'value', from: number, to: number) {
    const width = this.rows.width(kind)
    const rows = new Float32Array((to - from) * width)
    for (let token = from; token < to; token++) {
      const seed = mix(label, layer, kind === 'key' ? 1 : 2, token)
      fillRandom(seed, rows, (token - from) * width, width)
    }
    return roundAll(this.cache.shape.dtype, rows)
  }

  #expectEach(
    sequence: Sequence,
    label: number,
    from: number,
    to: number,
    what: string,
    expected: string,
    allowed: (found: number, made: number) => boolean,
  ): void {
    for (const { layer, kind } of this.#tensors()) {
      const found = this.rows.read(sequence, layer, kind, from, to)
      const made = this.#made(label, layer, kind, from, to)
      const width = this.rows.width(kind)
      const wrong = found.findIndex((value, i) => !allowed(value, made[i]!))
      if (wrong < 0) continue
      throw new ConformanceFailure(
        `${what}: ${kind} of layer ${layer}, token ${from + Math.floor(wrong / width)} element ` +
          `${wrong % width} is ${found[wrong]}, expected ${expected}`,
      )
    }
  }
}

/** The part of the books that a step which changes nothing must not change. */
export function pageAccounts(stats: CacheStats): Partial<CacheStats> {
  const counters: readonly (keyof CacheStats)[] = [
    ...(['stepsOutOfMemory', 'stepNsHistogram', 'driverCalls', 'zeroedBytes'] as const),
    ...(['pagesCreated', 'pagesReleased', 'pagesMapped', 'pagesUnmapped'] as const),
  ]
  return Object.fromEntries(
    Object.entries(stats).filter(([name]) => !counters.includes(name as keyof CacheStats)),
  )
}
