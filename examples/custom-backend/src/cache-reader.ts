import {
  dtypeBytes,
  type KvCache,
  type LayerView,
  type Sequence,
  type Tensor,
} from '@vattention/interface'
import { read, write } from '@vattention/core'

/** The rows of sequences in a cache of either kind, through its view: strides, slots, block tables. */
export class CacheReader {
  readonly #cache: KvCache

  constructor(cache: KvCache) {
    this.#cache = cache
  }

  /** Tokens `[from, to)` as `[token, kvHead, dim]`. */
  read(sequence: Sequence, layer: number, what: keyof LayerView, from: number, to: number) {
    const parts = [...this.#pieces(sequence, layer, what, from, to)].map((piece) => read(piece))
    if (parts.length === 1) return parts[0]!
    const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }

  /** Writes tokens from `from` on. */
  write(
    sequence: Sequence,
    layer: number,
    what: keyof LayerView,
    from: number,
    rows: Float32Array,
  ): void {
    const { kvHeads, headDim, valueHeadDim } = this.#cache.shape
    const width = kvHeads * (what === 'key' ? headDim : valueHeadDim)
    let at = 0
    for (const piece of this.#pieces(sequence, layer, what, from, from + rows.length / width)) {
      const count = piece.shape[0]! * width
      write(piece, rows.subarray(at, at + count))
      at += count
    }
  }

  /** Whether blocks of the first `length` tokens are gone: only a paged view says so. */
  hasSlid(sequence: Sequence, length: number): boolean {
    const view = this.#cache.view()
    if (view.kind === 'contiguous') return false
    return this.#blocks(sequence)
      .slice(0, Math.ceil(length / view.blockTokens))
      .includes(-1)
  }

  /** Stretches of tokens that lie evenly spaced: all in a slot, one block at a time in a pool. */
  *#pieces(
    sequence: Sequence,
    layer: number,
    what: keyof LayerView,
    from: number,
    to: number,
  ): Generator<Tensor> {
    const view = this.#cache.view()
    const tensor = view.layers[layer]![what] // [slot or block, token, kvHead, dim]
    if (view.kind === 'contiguous') {
      const slot = new Int32Array(1)
      view.slots(Uint32Array.of(sequence), slot)
      yield tokensAt(tensor, slot[0]!, from, to - from)
      return
    }
    const { blockTokens } = view
    const blocks = this.#blocks(sequence)
    for (let token = from; token < to;) {
      const count = Math.min(blockTokens - (token % blockTokens), to - token)
      yield tokensAt(tensor, blocks[Math.floor(token / blockTokens)]!, token % blockTokens, count)
      token += count
    }
  }

  #blocks(sequence: Sequence): Int32Array {
    const view = this.#cache.view()
    if (view.kind !== 'paged') throw new TypeError('only a paged cache has block tables')
    const width = Math.ceil(this.#cache.shape.maxLength / view.blockTokens)
    const table = new Int32Array(width)
    view.blockTables(Uint32Array.of(sequence), table, width)
    return table
  }
}

/** `count` tokens of one slot or block, as `[token, kvHead, dim]`. */
function tokensAt(tensor: Tensor, place: number, token: number, count: number): Tensor {
  const { shape, strides, dtype } = tensor
  const elements = place * strides[0]! + token * strides[1]!
  return {
    ...tensor,
    data: tensor.data + BigInt(elements) * BigInt(dtypeBytes[dtype]),
    shape: [count, shape[2]!, shape[3]!],
    strides: strides.slice(1),
  }
}
