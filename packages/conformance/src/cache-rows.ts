/**
 * The rows of a sequence in a cache, by token, whatever the cache's kind and layout are: found
 * through the view alone, as a backend would.
 */
import type { KvCache, LayerView, PagedView, Sequence, Tensor } from '@vattention/interface'

import { readValues, viewOf, type Memory } from './memory.ts'

/** Which of a layer's two tensors. */
export type KeyOrValue = keyof LayerView

/** Reads and writes tokens `[from, to)` of a sequence: `[tokens, kvHeads, dim]`. */
export class CacheRows {
  readonly #cache: KvCache
  readonly #memory: Memory

  constructor(cache: KvCache, memory: Memory) {
    this.#cache = cache
    this.#memory = memory
  }

  /** Elements of one token's row. */
  width(what: KeyOrValue): number {
    const { kvHeads, headDim, valueHeadDim } = this.#cache.shape
    return kvHeads * (what === 'key' ? headDim : valueHeadDim)
  }

  read(sequence: Sequence, layer: number, what: KeyOrValue, from: number, to: number) {
    const rows = new Float32Array((to - from) * this.width(what))
    let at = 0
    for (const piece of this.#pieces(sequence, layer, what, from, to)) {
      const values = readValues(this.#memory, piece)
      rows.set(values, at)
      at += values.length
    }
    return rows
  }

  write(
    sequence: Sequence,
    layer: number,
    what: KeyOrValue,
    from: number,
    rows: Float32Array,
  ): void {
    const width = this.width(what)
    let at = 0
    for (const piece of this.#pieces(sequence, layer, what, from, from + rows.length / width)) {
      const count = piece.shape[0]! * width
      this.#memory.write(piece, rows.subarray(at, at + count))
      at += count
    }
  }

  /** The slot (contiguous) or the block ids (paged) that hold a sequence. */
  place(sequence: Sequence): number[] {
    const view = this.#cache.view()
    if (view.kind === 'paged') return [...this.#blockTable(view, sequence)]
    const slot = new Int32Array(1)
    view.slots(Uint32Array.of(sequence), slot)
    return [...slot]
  }

  *#pieces(sequence: Sequence, layer: number, what: KeyOrValue, from: number, to: number) {
    if (from >= to) return
    const view = this.#cache.view()
    const tensor = view.layers[layer]![what]
    const [slot] = view.kind === 'contiguous' ? this.place(sequence) : []
    if (slot !== undefined) {
      const { strides, shape } = tensor
      const offset = slot * strides[0]! + from * strides[1]!
      yield viewOf(tensor, offset, [to - from, ...shape.slice(2)], strides.slice(1))
      return
    }
    const { blockTokens, layout } = view as PagedView
    const table = this.#blockTable(view as PagedView, sequence)
    for (let token = from; token < to;) {
      const within = token % blockTokens
      const count = Math.min(blockTokens - within, to - token)
      const block = table[Math.floor(token / blockTokens)]!
      if (block < 0) throw new RangeError(`token ${token} lies in a block that was given up`)
      yield tokensOfBlock(tensor, what, layout, block, within, count)
      token += count
    }
  }

  #blockTable(view: PagedView, sequence: Sequence): Int32Array {
    const width = Math.ceil(this.#cache.shape.maxLength / view.blockTokens)
    const table = new Int32Array(width).fill(-1)
    view.blockTables(Uint32Array.of(sequence), table, width)
    return table
  }
}

/** Tokens of one block as `[token, kvHead, dim]`, permuting strides where the pool is not so. */
function tokensOfBlock(
  tensor: Tensor,
  what: KeyOrValue,
  layout: PagedView['layout'],
  block: number,
  from: number,
  count: number,
): Tensor {
  const { shape, strides } = tensor
  const tokenAxis = layout === 'nhd' ? 1 : 3
  const offset = block * strides[0]! + from * strides[tokenAxis]!
  // paged-attention: K is [block, kvHead, dim/x, token, x], V is [block, kvHead, dim, token].
  const axes = layout === 'nhd' ? [2, 3] : what === 'key' ? [1, 2, 4] : [1, 2]
  return viewOf(
    tensor,
    offset,
    [count, ...axes.map((axis) => shape[axis]!)],
    [strides[tokenAxis]!, ...axes.map((axis) => strides[axis]!)],
  )
}
