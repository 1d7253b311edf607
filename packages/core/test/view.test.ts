import { dtypeBytes, type Layout } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { read } from '../src/index.ts'
import { code, makeCache, sequenceOf, small, u32 } from './support/caches.ts'
import { fillRows, hasRows } from './support/rows.ts'

const layouts: Layout[] = ['split', 'interleaved', { layerGroup: 2 }]

describe('the view', () => {
  it.each(layouts)('describes every layer by strides (%j)', (layout) => {
    using cache = makeCache({ layers: 3, valueHeadDim: 32, layout })
    const view = cache.view()
    expect(view).toBe(cache.view())
    expect(view.kind).toBe('contiguous')
    expect(view.layers).toHaveLength(3)
    const rows = layout === 'split' ? [64 * 4, 32 * 4] : undefined
    for (const { key, value } of view.layers) {
      expect(key.shape).toEqual([small.maxSequences, small.maxLength, 4, 64])
      expect(value.shape).toEqual([small.maxSequences, small.maxLength, 4, 32])
      expect(key.strides.slice(2)).toEqual([64, 1])
      expect(value.strides.slice(2)).toEqual([32, 1])
      if (rows) expect([key.strides[1], value.strides[1]]).toEqual(rows)
      expect(key.data % 64n).toBe(0n)
      expect(Object.isFrozen(key)).toBe(true)
    }
    if (layout === 'interleaved') {
      const [first, second] = view.layers.map(({ key }) => key)
      expect(first!.strides[1]).toBe(3 * 4 * (64 + 32))
      expect(second!.data - first!.data).toBe(BigInt(4 * (64 + 32) * 4))
    }
  })

  it.each(layouts)('shows rows that do not overlap (%j)', (layout) => {
    using cache = makeCache({ layers: 3, layout, dtype: 'float32' })
    const sequences = [100, 70, 130].map((length) => sequenceOf(cache, length))
    for (const [i, sequence] of sequences.entries()) {
      fillRows(cache, sequence, 0, [100, 70, 130][i]!, 10_000 * (i + 1))
    }
    for (const [i, sequence] of sequences.entries()) {
      expect(hasRows(cache, sequence, 0, [100, 70, 130][i]!, 10_000 * (i + 1))).toBe(true)
    }
  })

  it('gives the slots of sequences', () => {
    using cache = makeCache()
    const sequences = u32(sequenceOf(cache, 1), sequenceOf(cache, 1), sequenceOf(cache, 1))
    const slots = new Int32Array(4).fill(-7)
    cache.view().slots(sequences, slots)
    expect(new Set(slots.subarray(0, 3)).size).toBe(3)
    expect([...slots.subarray(0, 3)].every((slot) => slot >= 0 && slot < 8)).toBe(true)
    expect(slots[3]).toBe(-7)
  })

  it('refuses slots of what is not live, and arrays that are too short', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 1)
    const { slots } = cache.view()
    expect(() => slots(u32(sequence), new Int32Array(0))).toThrow(code('INVALID_ARGUMENT'))
    expect(() => slots(u32(sequence), new Uint32Array(1) as never)).toThrow(
      code('INVALID_ARGUMENT'),
    )
    expect(() => slots([sequence] as never, new Int32Array(1))).toThrow(code('INVALID_ARGUMENT'))
    cache.free(sequence)
    expect(() => slots(u32(sequence), new Int32Array(1))).toThrow(code('STALE_SEQUENCE'))
  })

  it('tells the tail rows, which are readable and zero past the backed length', () => {
    using cache = makeCache({ tailRows: 100 })
    expect(cache.view().tailRows).toBe(100)
    const sequence = sequenceOf(cache, 60)
    const [key] = cache.view().layers.map((layer) => layer.key)
    const slot = new Int32Array(1)
    cache.view().slots(u32(sequence), slot)
    const [slots, tokens] = key!.strides as [number, number]
    const offset = (slot[0]! * slots + 60 * tokens) * dtypeBytes.float32
    const tail = {
      ...key!,
      data: key!.data + BigInt(offset),
      shape: [100, 4, 64],
      strides: key!.strides.slice(1),
    }
    expect(read(tail).every((value) => value === 0)).toBe(true)
    expect(cache.stats().aheadBytes).toBeGreaterThan(0)
  })

  it('is of no use after the cache was disposed', () => {
    const cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    const { layers, slots } = cache.view()
    cache.dispose()
    expect(() => read(layers[0]!.key)).toThrow(code('DISPOSED'))
    expect(() => read({ ...layers[0]!.key, shape: [1, 1, 1, 1] })).toThrow(code('DISPOSED'))
    expect(() => slots(u32(sequence), new Int32Array(1))).toThrow(code('DISPOSED'))
    expect(() => cache.view()).toThrow(code('DISPOSED'))
  })
})
