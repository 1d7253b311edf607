/**
 * A sequence whose content the kit knows: what was written, rounded as the cache rounds it. The
 * content of a row follows from its label and position, so the same label means the same tokens in
 * any scene.
 */
import type { Sequence } from '@vattention/interface'

import { fillRandom, mix } from '../random.ts'

/** What a row is for. */
export type RowKind = 'query' | 'key' | 'value'

const kindCode: Readonly<Record<RowKind, number>> = { query: 1, key: 2, value: 3 }

/** Fills one row. `seed` stands for the label, layer, kind and position. */
export type RowContent = (kind: RowKind, seed: number, row: Float32Array, position: number) => void

/** Values of unit variance: scores of unit variance too, at the default scale. */
export const randomContent: RowContent = (_kind, seed, row) => fillRandom(seed, row)

/** A live sequence and its shadow. */
export class Tracked {
  readonly handle: Sequence
  readonly label: number
  /** Tokens with known content. */
  length = 0
  /** First token that may still be read. */
  firstKept = 0
  /** For each layer `[tokens, kvHeads, headDim]`, as the cache holds it. */
  readonly keys: Float32Array[]
  /** For each layer `[tokens, kvHeads, valueHeadDim]`. */
  readonly values: Float32Array[]
  /** Raised when rows are written anew, so that they differ from what was there. */
  revision = 0

  constructor(handle: Sequence, label: number, layers: number) {
    this.handle = handle
    this.label = label
    this.keys = Array.from({ length: layers }, () => new Float32Array(0))
    this.values = Array.from({ length: layers }, () => new Float32Array(0))
  }

  /** Rows `[from, from + count)` of `width` elements, by what they are. */
  rows(
    content: RowContent,
    kind: RowKind,
    layer: number,
    from: number,
    count: number,
    width: number,
  ): Float32Array {
    const rows = new Float32Array(count * width)
    for (let i = 0; i < count; i++) {
      const seed = mix(this.label, this.revision, layer, kindCode[kind], from + i)
      content(kind, seed, rows.subarray(i * width, (i + 1) * width), from + i)
    }
    return rows
  }

  /** Notes rows that the cache now holds from token `from` on. */
  note(kind: 'key' | 'value', layer: number, from: number, width: number, rows: Float32Array) {
    const all = kind === 'key' ? this.keys : this.values
    const needed = from * width + rows.length
    if (all[layer]!.length < needed) {
      const grown = new Float32Array(Math.max(needed, all[layer]!.length * 2))
      grown.set(all[layer]!)
      all[layer] = grown
    }
    all[layer]!.set(rows, from * width)
  }

  /** Takes over what another sequence holds. */
  copyFrom(other: Tracked, length: number): void {
    for (const [layer, keys] of other.keys.entries()) this.keys[layer] = keys.slice()
    for (const [layer, values] of other.values.entries()) this.values[layer] = values.slice()
    this.length = length
    this.firstKept = Math.min(other.firstKept, length)
  }
}
