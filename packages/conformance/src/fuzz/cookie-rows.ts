/**
 * What is in a token's rows, made small: a *cookie*, two numbers that only the right rows hold.
 * They are written to the first and the last element of each K and V row of each layer, so that a
 * row that is shifted, cut or somebody else's shows.
 */
import type { KvCache, PagedView, Sequence, Tensor } from '@vattention/interface'

import { viewOf, type Memory } from '../memory.ts'
import { mix, type Random } from '../random.ts'

/** Integers up to here are exact in each dtype. */
const largest = {
  float32: 2 ** 23,
  float16: 2 ** 11,
  bfloat16: 2 ** 8,
  float8_e4m3: 2 ** 4,
  int32: 2 ** 23,
} as const

/** Pieces that a sample looks at in each tensor. */
const sampledPieces = 4

/** The ends of some tokens' rows in one tensor: `[tokens, 2]`. */
export interface RowEnds {
  readonly tensor: Tensor
  readonly layer: number
  /** 0: key, 1: value. */
  readonly what: number
  /** The first of the tokens, and how far apart they are. */
  readonly from: number
  readonly every: number
}

/** Tokens that lie in a row: `count` of them from `from` on, `every` apart. */
interface Piece {
  readonly from: number
  readonly count: number
  readonly every: number
}

/** Rows of a cache by sequence and token, through its view alone. */
export class CookieRows {
  readonly #cache: KvCache
  readonly #memory: Memory

  constructor(cache: KvCache, memory: Memory) {
    this.#cache = cache
    this.#memory = memory
  }

  /** Where all rows of tokens `[from, to)` are now; they must be backed. */
  ends(sequence: Sequence, from: number, to: number): RowEnds[] {
    if (from >= to) return []
    const whole = { from, count: to - from, every: 1 }
    const { layers } = this.#cache.shape
    return this.#place(
      sequence,
      [whole],
      Array.from({ length: 2 * layers }, (_, i) => i),
    )
  }

  /** Where some of those rows are, the first and the last among them, in one tensor. */
  sample(sequence: Sequence, from: number, to: number, random: Random): RowEnds[] {
    if (from >= to) return []
    const pieces: Piece[] = [
      { from, count: 1, every: 1 },
      { from: to - 1, count: 1, every: 1 },
    ]
    const view = this.#cache.view()
    if (view.kind === 'paged') {
      const first = Math.floor(from / view.blockTokens)
      const blocks = Math.ceil(to / view.blockTokens) - first
      for (let i = 2; i < sampledPieces; i++) {
        const block = (first + random.integer(blocks)) * view.blockTokens
        const start = Math.max(from, block)
        const end = Math.min(to, block + view.blockTokens)
        pieces.push({ from: start, count: end - start, every: 1 })
      }
    } else {
      const every = 1 + random.integer(Math.ceil((to - from) / 8))
      const phase = random.integer(Math.min(every, to - from))
      const count = Math.min(16, Math.ceil((to - from - phase) / every))
      pieces.push({ from: from + phase, count, every })
    }
    return this.#place(sequence, pieces, [random.integer(2 * this.#cache.shape.layers)])
  }

  /** Writes the cookies of `hashes`, one for each token from `from` on. */
  write(sequence: Sequence, from: number, hashes: readonly number[]): void {
    for (const ends of this.ends(sequence, from, from + hashes.length)) {
      const tokens = ends.tensor.shape[0]!
      const values = new Float32Array(2 * tokens)
      for (let i = 0; i < tokens; i++) {
        const hash = hashes[ends.from - from + i]!
        values[2 * i] = this.#cookie(hash, ends, 0)
        values[2 * i + 1] = this.#cookie(hash, ends, 1)
      }
      this.#memory.write(ends.tensor, values)
    }
  }

  /**
   * The first token whose rows hold none of what they may, in words; undefined when all do.
   * @param allowed By token: hashes whose cookies are right. 0 stands for zeroes, undefined for
   * anything finite.
   */
  firstWrong(
    places: readonly RowEnds[],
    allowed: (token: number) => readonly number[] | undefined,
  ): string | undefined {
    for (const ends of places) {
      const values = this.#memory.read(ends.tensor)
      for (let i = 0; i < values.length; i++) {
        const token = ends.from + (i >> 1) * ends.every
        const hashes = allowed(token)
        const value = values[i]!
        const right =
          hashes === undefined
            ? Number.isFinite(value)
            : hashes.some((hash) => value === this.#cookie(hash, ends, i & 1))
        if (!right) return this.#complaint(ends, token, i & 1, value, hashes)
      }
    }
    return undefined
  }

  #complaint(
    ends: RowEnds,
    token: number,
    end: number,
    value: number,
    hashes: readonly number[] | undefined,
  ): string {
    const expected = hashes?.map((hash) => this.#cookie(hash, ends, end)).join(' or ')
    return (
      `token ${token}, layer ${ends.layer}, ${ends.what ? 'value' : 'key'}, ` +
      `${end ? 'last' : 'first'} element: found ${value}, expected ${expected ?? 'a finite number'}`
    )
  }

  /** A number that belongs to one token's row in one tensor at one end, and is exact in the dtype. */
  #cookie(hash: number, { layer, what }: RowEnds, end: number): number {
    if (hash === 0) return 0
    const states = largest[this.#cache.shape.dtype] - 1
    return 1 + ((mix(hash, (layer * 2 + what) * 2 + end) >>> 0) % states)
  }

  #place(sequence: Sequence, pieces: readonly Piece[], tensors: readonly number[]): RowEnds[] {
    const view = this.#cache.view()
    const found: RowEnds[] = []
    if (view.kind === 'contiguous') {
      const slot = new Int32Array(1)
      view.slots(Uint32Array.of(sequence), slot)
      for (const index of tensors) {
        const { layer, what, tensor } = tensorOf(view, index)
        for (const { from, count, every } of pieces) {
          const shown = contiguousEnds(tensor, slot[0]!, from, count, every)
          found.push({ tensor: shown, layer, what, from, every })
        }
      }
      return found
    }
    const width = Math.ceil(this.#cache.shape.maxLength / view.blockTokens)
    const table = new Int32Array(width)
    view.blockTables(Uint32Array.of(sequence), table, width)
    for (const index of tensors) {
      const { layer, what, tensor } = tensorOf(view, index)
      for (const piece of pieces) {
        const end = piece.from + piece.count
        for (let from = piece.from; from < end;) {
          const at = Math.floor(from / view.blockTokens)
          const count = Math.min((at + 1) * view.blockTokens, end) - from
          const shown = blockEnds(tensor, view, what, table[at]!, from, count)
          found.push({ tensor: shown, layer, what, from, every: 1 })
          from += count
        }
      }
    }
    return found
  }
}

function tensorOf(view: ReturnType<KvCache['view']>, index: number) {
  const layer = index >> 1
  const what = index & 1
  const { key, value } = view.layers[layer]!
  return { layer, what, tensor: what ? value : key }
}

function contiguousEnds(
  tensor: Tensor,
  slot: number,
  from: number,
  count: number,
  every: number,
): Tensor {
  const [slots, tokens, head, dim] = tensor.strides as [number, number, number, number]
  const last = (tensor.shape[2]! - 1) * head + (tensor.shape[3]! - 1) * dim
  return viewOf(tensor, slot * slots + from * tokens, [count, 2], [every * tokens, last])
}

function blockEnds(
  tensor: Tensor,
  view: PagedView,
  what: number,
  block: number,
  from: number,
  count: number,
): Tensor {
  // nhd: [block, token, head, dim]. paged-attention: K is [block, head, dim/x, token, x], V is
  // [block, head, dim, token].
  const tokenAxis = view.layout === 'nhd' ? 1 : 3
  const others = view.layout === 'nhd' ? [2, 3] : what === 0 ? [1, 2, 4] : [1, 2]
  const { shape, strides } = tensor
  const last = others.reduce((sum, axis) => sum + (shape[axis]! - 1) * strides[axis]!, 0)
  const tokens = strides[tokenAxis]!
  const offset = block * strides[0]! + (from % view.blockTokens) * tokens
  return viewOf(tensor, offset, [count, 2], [tokens, last])
}
