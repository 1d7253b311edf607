import { read, write } from '@vattention/core'
import { describe, expect, it } from 'vitest'

import { code, makeCache, sequenceOf, stepTo, tableOf, u32 } from './support/caches.ts'
import { rowsOfBlock } from './support/rows.ts'

describe('view', () => {
  it('is the same object for the whole life of a cache', () => {
    using cache = makeCache()
    const view = cache.view()
    sequenceOf(cache, 50)
    expect(cache.view()).toBe(view)
    expect(view).toMatchObject({
      kind: 'paged',
      layout: 'nhd',
      blockTokens: 8,
      blocks: 24,
      finiteTail: true,
    })
  })

  it('shows [block, token, kvHead, dim] in the nhd layout', () => {
    using cache = makeCache()
    const { layers } = cache.view()
    expect(layers).toHaveLength(2)
    expect(layers[0]!.key).toMatchObject({
      dtype: 'float32',
      shape: [24, 8, 2, 8],
      strides: [128, 16, 8, 1],
    })
    expect(layers[1]!.value).toMatchObject({ shape: [24, 8, 2, 4], strides: [64, 8, 4, 1] })
  })

  it('shows the published layout', () => {
    using cache = makeCache({ poolLayout: 'paged-attention' })
    const { layers, layout } = cache.view()
    expect(layout).toBe('paged-attention')
    // x is 4: 16 bytes of float32
    expect(layers[0]!.key).toMatchObject({
      shape: [24, 2, 2, 8, 4],
      strides: [128, 64, 32, 4, 1],
    })
    expect(layers[0]!.value).toMatchObject({ shape: [24, 2, 4, 8], strides: [64, 32, 8, 1] })
    using half = makeCache({ poolLayout: 'paged-attention', dtype: 'float16' })
    expect(half.view().layers[0]!.key).toMatchObject({
      shape: [48, 2, 1, 8, 8],
      strides: [128, 64, 64, 8, 1],
    })
  })

  it.each(['nhd', 'paged-attention'] as const)(
    'has tensors that do not overlap, all of them readable and writable (%s)',
    (poolLayout) => {
      using cache = makeCache({ poolLayout })
      const tensors = cache.view().layers.flatMap(({ key, value }) => [key, value])
      const patterns = tensors.map((tensor, i) => {
        const count = tensor.shape.reduce((product, size) => product * size, 1)
        const pattern = Float32Array.from({ length: count }, (_, j) => i * 100_000 + j)
        write(tensor, pattern)
        return pattern
      })
      for (const [i, tensor] of tensors.entries()) expect(read(tensor)).toEqual(patterns[i])
      for (const tensor of tensors) expect(Number(tensor.data % 256n)).toBe(0)
    },
  )

  it('has rows of a block where both layouts say', () => {
    using nhd = makeCache()
    using published = makeCache({ poolLayout: 'paged-attention' })
    for (const cache of [nhd, published]) {
      for (const [i, tensor] of rowsOfBlock(cache, 3, 5).entries()) {
        const count = tensor.shape.reduce((product, size) => product * size, 1)
        write(
          tensor,
          Float32Array.from({ length: count }, (_, j) => 1 + i * 100 + j),
        )
      }
    }
    const key = read(nhd.view().layers[1]!.key)
    const value = read(nhd.view().layers[1]!.value)
    const publishedKey = read(published.view().layers[1]!.key)
    const publishedValue = read(published.view().layers[1]!.value)
    for (let head = 0; head < 2; head++) {
      for (let d = 0; d < 8; d++) {
        const expected = 1 + 200 + head * 8 + d
        expect(key[3 * 128 + 5 * 16 + head * 8 + d]).toBe(expected)
        expect(publishedKey[3 * 128 + head * 64 + (d >> 2) * 32 + 5 * 4 + (d & 3)]).toBe(expected)
      }
      for (let d = 0; d < 4; d++) {
        const expected = 1 + 300 + head * 4 + d
        expect(value[3 * 64 + 5 * 8 + head * 4 + d]).toBe(expected)
        expect(publishedValue[3 * 64 + head * 32 + d * 8 + 5]).toBe(expected)
      }
    }
  })

  it('is of no use after disposal', () => {
    const cache = makeCache()
    const view = cache.view()
    const { sequence } = cache.allocate()!
    const { key } = view.layers[0]!
    cache.dispose()
    expect(() => cache.view()).toThrow(code('DISPOSED'))
    expect(() => view.blockTables(u32(sequence), new Int32Array(8), 8)).toThrow(code('DISPOSED'))
    expect(() => read(key)).toThrow(code('DISPOSED'))
  })
})

describe('blockTables', () => {
  it('writes a row for each sequence, -1 behind its end, and returns the widest', () => {
    using cache = makeCache()
    const a = sequenceOf(cache, 20)
    const b = sequenceOf(cache, 5)
    const { sequence: c } = cache.allocate()!
    const out = new Int32Array(12).fill(99)
    expect(cache.view().blockTables(u32(a, b, c), out, 4)).toBe(3)
    expect([...out]).toEqual([
      ...tableOf(cache, a),
      -1,
      ...tableOf(cache, b),
      -1,
      -1,
      -1,
      ...Array(4).fill(-1),
    ])
    cache.slide(a, 9)
    cache.view().blockTables(u32(a), out, 4)
    expect(out[0]).toBe(-1)
  })

  it('takes a table that is exactly full, and refuses one that is a block too narrow', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 24)
    const out = new Int32Array(3)
    expect(cache.view().blockTables(u32(sequence), out, 3)).toBe(3)
    stepTo(cache, sequence, 25)
    out.fill(7)
    expect(() => cache.view().blockTables(u32(sequence), out, 3)).toThrow(code('INVALID_ARGUMENT'))
    expect([...out]).toEqual([7, 7, 7])
    expect(() => cache.view().blockTables(u32(sequence), new Int32Array(), 0)).toThrow(
      code('INVALID_ARGUMENT'),
    )
    expect(cache.view().blockTables(u32(), new Int32Array(), 0)).toBe(0)
  })

  it('refuses what it cannot write into', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 8)
    const { blockTables } = cache.view()
    const bad: unknown[][] = [
      [[sequence], new Int32Array(4), 4],
      [u32(sequence), new Uint32Array(4), 4],
      [u32(sequence), new Int32Array(3), 4],
      [u32(sequence, sequence), new Int32Array(7), 4],
      [u32(sequence), new Int32Array(4), -1],
      [u32(sequence), new Int32Array(4), 1.5],
      [u32(sequence), new Int32Array(4), undefined],
    ]
    for (const [sequences, out, stride] of bad) {
      expect(() => blockTables(sequences as never, out as never, stride as never)).toThrow(
        code('INVALID_ARGUMENT'),
      )
    }
  })
})
