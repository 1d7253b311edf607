/** A paged cache in JavaScript: blocks with reference counts, copied before a shared one is written. */
import {
  dtypeBytes,
  type LayerView,
  type PagedCacheOptions,
  type PagedView,
} from '@vattention/interface'

import { viewOf, type Memory } from '../../src/memory.ts'
import { JsKvCache, type Slot } from './js-kv-cache.ts'

export class JsPagedCache extends JsKvCache {
  readonly kind = 'paged'
  protected readonly blockTokens: number
  readonly #layout: PagedView['layout']
  readonly #layers: readonly LayerView[]
  readonly #references: Uint32Array
  readonly #free: number[]
  readonly #tables = new Map<Slot, number[]>()

  constructor(options: PagedCacheOptions, memory: Memory) {
    super(options, memory)
    const { layers, kvHeads, headDim, valueHeadDim, dtype } = this.shape
    this.blockTokens = options.blockTokens ?? 16
    this.#layout = options.poolLayout ?? 'nhd'
    const blocks = Math.floor(options.limitBytes / (this.tokenBytes * this.blockTokens))
    const vector = 16 / dtypeBytes[dtype]
    const tokens = this.blockTokens
    const nhd = this.#layout === 'nhd'
    this.#layers = Array.from({ length: layers }, () => ({
      key: memory.tensor(
        dtype,
        nhd
          ? [blocks, tokens, kvHeads, headDim]
          : [blocks, kvHeads, headDim / vector, tokens, vector],
      ),
      value: memory.tensor(
        dtype,
        nhd ? [blocks, tokens, kvHeads, valueHeadDim] : [blocks, kvHeads, valueHeadDim, tokens],
      ),
    }))
    this.#references = new Uint32Array(blocks)
    this.#free = Array.from({ length: blocks }, (_, i) => blocks - 1 - i)
  }

  protected makeView(): PagedView {
    return {
      kind: 'paged',
      layout: this.#layout,
      blockTokens: this.blockTokens,
      blocks: this.#references.length,
      finiteTail: true,
      layers: this.#layers,
      blockTables: (sequences, out, rowStride) => {
        let widest = 0
        for (const [i, sequence] of sequences.entries()) {
          const table = this.table(this.resolve(sequence as never))
          out.fill(-1, i * rowStride, (i + 1) * rowStride)
          out.set(table, i * rowStride)
          widest = Math.max(widest, table.length)
        }
        return widest
      },
    }
  }

  protected missingBytes(slot: Slot, length: number): number {
    const table = this.table(slot)
    const more = Math.max(0, Math.ceil(length / this.blockTokens) - table.length)
    const copies = length > slot.backed && this.boundaryIsShared(slot) ? 1 : 0
    return (more + copies) * this.#blockBytes
  }

  protected availableBytes(): number {
    const held = this.#references.length - this.#free.length
    return Math.min(this.#free.length * this.#blockBytes, this.limitBytes - held * this.#blockBytes)
  }

  protected grow(slot: Slot, length: number): void {
    const table = this.table(slot)
    if (length > slot.backed && this.boundaryIsShared(slot)) this.#makePrivate(table, slot.backed)
    while (table.length * this.blockTokens < length) table.push(this.#take())
  }

  protected shrink(slot: Slot, length: number): void {
    const table = this.table(slot)
    const kept = Math.ceil(length / this.blockTokens)
    for (const block of table.splice(kept)) this.#release(block)
    const within = length % this.blockTokens
    // A shared boundary keeps its rows: they are the others'.
    const boundary = table[kept - 1]
    if (within > 0 && boundary !== undefined && this.#references[boundary] === 1) {
      this.zero(boundary, within)
    }
    if (length === 0) this.#tables.delete(slot)
  }

  protected share(source: Slot, slot: Slot, length: number): void {
    const table = this.table(source).slice(0, Math.ceil(length / this.blockTokens))
    for (const block of table) if (block >= 0) this.#references[block]!++
    this.#tables.set(slot, table)
    slot.backed = length
    slot.firstKept = Math.min(source.firstKept, length)
  }

  protected drop(slot: Slot, before: number): void {
    const table = this.table(slot)
    for (let i = 0; i < Math.floor(before / this.blockTokens); i++) {
      if (table[i]! >= 0) this.#release(table[i]!)
      table[i] = -1
    }
  }

  protected bytes() {
    const used = new Map<number, number>()
    const holders = new Map<number, number>()
    for (const slot of this.slots) {
      for (const [i, block] of this.table(slot).entries()) {
        if (!slot.live || block < 0) continue
        const tokens = Math.min(this.blockTokens, slot.backed - i * this.blockTokens)
        used.set(block, Math.max(used.get(block) ?? 0, tokens))
        holders.set(block, (holders.get(block) ?? 0) + 1)
      }
    }
    const tokens = [...used.values()].reduce((sum, count) => sum + count, 0)
    const shared = [...holders.values()].filter((count) => count > 1).length
    const reservedBytes = this.#references.length * this.#blockBytes
    return {
      mappedBytes: used.size * this.#blockBytes,
      usedBytes: tokens * this.tokenBytes,
      sharedBytes: shared * this.#blockBytes,
      totalBytes: Math.max(
        Math.min(reservedBytes, Math.floor(this.limitBytes / this.#blockBytes) * this.#blockBytes),
        used.size * this.#blockBytes,
      ),
      reservedBytes,
    }
  }

  get #blockBytes(): number {
    return this.blockTokens * this.tokenBytes
  }

  protected table(slot: Slot): number[] {
    const table = this.#tables.get(slot) ?? []
    this.#tables.set(slot, table)
    return table
  }

  protected boundaryIsShared(slot: Slot): boolean {
    const block = this.table(slot)[Math.floor(slot.backed / this.blockTokens)]
    return block !== undefined && block >= 0 && this.#references[block]! > 1
  }

  #take(): number {
    const block = this.#free.pop()!
    this.#references[block] = 1
    return block
  }

  #release(block: number): void {
    this.#references[block]!--
    if (this.#references[block]! > 0) return
    this.zero(block, 0)
    this.#free.push(block)
  }

  /** Copies the tokens before `length` of the block that is written next. */
  #makePrivate(table: number[], length: number): void {
    const index = Math.floor(length / this.blockTokens)
    const old = table[index]!
    const block = this.#take()
    const within = length % this.blockTokens
    for (const tensor of this.#tensors()) {
      const rows = this.memory.read(this.#tokens(tensor, old, 0, within)) as Float32Array
      this.memory.write(this.#tokens(tensor, block, 0, within), rows)
    }
    table[index] = block
    this.#references[old]!--
  }

  protected zero(block: number, from: number): void {
    for (const tensor of this.#tensors()) {
      const rows = this.#tokens(tensor, block, from, this.blockTokens)
      this.memory.write(rows, new Float32Array(rows.shape.reduce((a, b) => a * b, 1)))
    }
  }

  #tensors() {
    return this.#layers.flatMap(({ key, value }) => [key, value])
  }

  /** Tokens of a block, whatever the order of its axes: the one that counts tokens comes first. */
  #tokens(tensor: LayerView['key'], block: number, from: number, to: number) {
    const axis = this.#layout === 'nhd' ? 1 : 3
    const others = tensor.shape.map((_, i) => i).filter((i) => i > 0 && i !== axis)
    const { strides } = tensor
    return viewOf(
      tensor,
      block * strides[0]! + from * strides[axis]!,
      [to - from, ...others.map((i) => tensor.shape[i]!)],
      [strides[axis]!, ...others.map((i) => strides[i]!)],
    )
  }
}
