import type { ContiguousCacheOptions, Layout } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { ContiguousKvCache } from '../src/index.ts'
import { makeCache, small } from './support/caches.ts'

const llama: ContiguousCacheOptions = {
  layers: 32,
  kvHeads: 8,
  headDim: 128,
  dtype: 'bfloat16',
  maxSequences: 256,
  maxLength: 131072,
  limitBytes: 2 ** 36,
  pageBytes: [2 ** 21],
}

describe('geometry', () => {
  it('is that of the published models', () => {
    const interleaved = ContiguousKvCache.geometry({ ...llama, layout: 'interleaved' })
    expect(interleaved).toMatchObject({
      layout: 'interleaved',
      tensors: 1,
      bytesPerToken: 131072,
      smallestPageBytes: 2 ** 21,
      tokensPerPage: 16,
      wasteBoundBytes: 2 ** 21,
    })
    expect(ContiguousKvCache.geometry({ ...llama, layout: 'split' })).toMatchObject({
      tensors: 64,
      bytesPerToken: 131072,
      tokensPerPage: 1024,
      wasteBoundBytes: 64 * 2 ** 21,
    })
    expect(ContiguousKvCache.geometry({ ...llama, layout: { layerGroup: 8 } })).toMatchObject({
      tensors: 4,
      tokensPerPage: 64,
    })
  })

  it('covers a last group with fewer layers, and values of another size', () => {
    const geometry = ContiguousKvCache.geometry({
      ...small,
      layers: 5,
      valueHeadDim: 32,
      layout: { layerGroup: 2 },
    })
    expect(geometry.tensors).toBe(3)
    expect(geometry.bytesPerToken).toBe(5 * 4 * (64 + 32) * 4)
    expect(geometry.rowBytes).toEqual([2 * 4 * 96 * 4, 4 * 96 * 4])
  })

  it.each<Layout>(['interleaved', 'split', { layerGroup: 1 }])(
    'is what a cache then has (%j)',
    (layout) => {
      const geometry = ContiguousKvCache.geometry({ ...small, layout })
      using cache = makeCache({ layout })
      expect(cache.layout).toEqual(layout)
      expect(cache.stats().reservedBytes).toBe(geometry.reservedBytes)
      expect(geometry.slotBytes * small.maxSequences).toBeLessThanOrEqual(geometry.reservedBytes)
    },
  )
})
