/** A contiguous cache in JavaScript: all memory is there from the start, and forks are copies. */
import {
  denseStrides,
  type ContiguousCacheOptions,
  type ContiguousView,
  type LayerView,
} from '@vattention/interface'

import { viewOf, type Memory } from '../../src/memory.ts'
import { JsKvCache, type Slot } from './js-kv-cache.ts'

export class JsContiguousCache extends JsKvCache {
  readonly kind = 'contiguous'
  readonly #layers: readonly LayerView[]
  /** Rows that forks will show, as they were when the fork was made. */
  readonly #pending = new Map<Slot, (() => void)[]>()

  constructor(options: ContiguousCacheOptions, memory: Memory) {
    super(options, memory)
    const { layers, kvHeads, headDim, valueHeadDim, dtype, maxSequences, maxLength } = this.shape
    const { layout = 'split' } = options
    const group = layout === 'split' ? 0 : layout === 'interleaved' ? layers : layout.layerGroup
    const made: LayerView[] = []
    for (let first = 0; first < layers; first += group || 1) {
      const count = Math.min(group || 1, layers - first)
      const row = count * kvHeads * (headDim + valueHeadDim)
      const base = memory.tensor(dtype, [maxSequences * maxLength * row])
      for (let layer = 0; layer < count; layer++) {
        const at = layer * kvHeads * (headDim + valueHeadDim)
        const tensor = (dim: number, offset: number, rowElements: number) => {
          const shape = [maxSequences, maxLength, kvHeads, dim]
          const strides = [maxLength * rowElements, rowElements, ...denseStrides([kvHeads, dim])]
          return viewOf(base, offset, shape, strides)
        }
        if (group) {
          made.push({
            key: tensor(headDim, at, row),
            value: tensor(valueHeadDim, at + kvHeads * headDim, row),
          })
        } else {
          const half = maxSequences * maxLength * kvHeads * headDim
          const key = tensor(headDim, 0, kvHeads * headDim)
          made.push({ key, value: tensor(valueHeadDim, half, kvHeads * valueHeadDim) })
        }
      }
    }
    this.#layers = made
  }

  protected makeView(): ContiguousView {
    return {
      kind: 'contiguous',
      layers: this.#layers,
      tailRows: 0,
      slots: (sequences, out) => {
        for (const [i, sequence] of sequences.entries())
          out[i] = this.resolve(sequence as never).index
      },
    }
  }

  protected missingBytes(slot: Slot, length: number): number {
    return Math.max(0, length - slot.backed) * this.tokenBytes
  }

  protected availableBytes(): number {
    return this.limitBytes - this.bytes().mappedBytes
  }

  protected grow(slot: Slot): void {
    for (const copy of this.#pending.get(slot) ?? []) copy()
    this.#pending.delete(slot)
  }

  protected shrink(slot: Slot, length: number): void {
    this.#pending.delete(slot)
    for (const tensor of this.#tensors()) {
      const rows = this.#rows(tensor, slot, length, slot.backed)
      this.memory.write(rows, new Float32Array(rows.shape.reduce((a, b) => a * b, 1)))
    }
  }

  protected share(source: Slot, slot: Slot, length: number): void {
    const copies = this.#tensors().map((tensor) => {
      const rows = this.memory.read(this.#rows(tensor, source, 0, length)) as Float32Array
      return () => this.memory.write(this.#rows(tensor, slot, 0, length), rows)
    })
    this.#pending.set(slot, copies)
  }

  protected drop(): void {
    // A window saves no memory here: slots are as long as they are.
  }

  protected bytes() {
    const tokens = this.slots.reduce((sum, slot) => sum + (slot.live ? slot.backed : 0), 0)
    const mappedBytes = tokens * this.tokenBytes
    const reservedBytes = this.shape.maxSequences * this.shape.maxLength * this.tokenBytes
    return {
      mappedBytes,
      usedBytes: mappedBytes,
      sharedBytes: 0,
      totalBytes: mappedBytes,
      reservedBytes,
    }
  }

  #tensors() {
    return this.#layers.flatMap(({ key, value }) => [key, value])
  }

  #rows(tensor: LayerView['key'], slot: Slot, from: number, to: number) {
    const { strides, shape } = tensor
    const offset = slot.index * strides[0]! + from * strides[1]!
    return viewOf(tensor, offset, [Math.max(0, to - from), ...shape.slice(2)], strides.slice(1))
  }
}
