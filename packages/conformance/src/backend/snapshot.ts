/** What all live sequences of a scene hold, to see later that nothing else was written. */
import { sameBits } from '../expect.ts'
import { ConformanceFailure } from '../case.ts'
import type { Scene } from './scene.ts'
import type { Tracked } from './tracked.ts'

/** Tokens that a call may write. */
export interface Written {
  readonly sequence: Tracked
  readonly from: number
  readonly to: number
}

/** Rows of every sequence up to its backed length, all layers, bit for bit. */
export class Snapshot {
  readonly #scene: Scene
  readonly #rows = new Map<string, Float32Array>()

  constructor(scene: Scene) {
    this.#scene = scene
    for (const [key, rows] of this.#read()) this.#rows.set(key, rows)
  }

  /** Fails if any row but those of `written` differs now. */
  expectUnchanged(what: string, written: readonly Written[] = []): void {
    for (const [key, rows, sequence, width] of this.#read()) {
      const before = this.#rows.get(key)
      if (!before) continue
      const ranges = written.filter((range) => range.sequence === sequence)
      for (let i = 0; i < before.length; i++) {
        if (sameBits(before[i]!, rows[i]!)) continue
        const token = sequence.firstKept + Math.floor(i / width)
        if (ranges.some(({ from, to }) => token >= from && token < to)) continue
        throw new ConformanceFailure(
          `${what}: ${key}, token ${token} element ${i % width} was ${before[i]} and is ${rows[i]}`,
        )
      }
    }
  }

  *#read(): Generator<[key: string, rows: Float32Array, sequence: Tracked, width: number]> {
    const { cache, rows, layers, tracked } = this.#scene
    for (const sequence of tracked) {
      const backed = cache.backedLength(sequence.handle)
      for (let layer = 0; layer < layers; layer++) {
        for (const kind of ['key', 'value'] as const) {
          const found = rows.read(sequence.handle, layer, kind, sequence.firstKept, backed)
          const key = `${kind} of sequence ${sequence.label}, layer ${layer}`
          yield [key, found, sequence, rows.width(kind)]
        }
      }
    }
  }
}
