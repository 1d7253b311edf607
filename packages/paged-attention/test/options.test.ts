import { describe, expect, it } from 'vitest'

import { PagedKvCache, pagedReasons } from '../src/index.ts'
import {
  blockBytes,
  blocks,
  code,
  makeCache,
  reasonsOf,
  small,
  tokenBytes,
} from './support/caches.ts'

describe('options', () => {
  it('are all checked, and all reasons told', () => {
    expect(
      reasonsOf(() =>
        makeCache({
          layers: 0,
          kvHeads: 1.5,
          headDim: -1,
          valueHeadDim: 0,
          dtype: 'int32' as never,
          maxSequences: 2 ** 25,
          maxLength: 0,
          device: { type: 'tpu' } as never,
          limitBytes: '1 GiB' as never,
          blockTokens: 12,
          poolLayout: 'hnd' as never,
          prefixCache: 'yes' as never,
          traceEvents: -1,
          onEvent: 7 as never,
        }),
      ),
    ).toEqual([
      'layers',
      'kvHeads',
      'headDim',
      'valueHeadDim',
      'dtype',
      'maxSequences',
      'maxLength',
      'device',
      'limitBytes',
      'blockTokens',
      'poolLayout',
      'prefixCache',
      'traceEvents',
      'onEvent',
    ])
  })

  it('that are required are missed', () => {
    expect(reasonsOf(() => new PagedKvCache({} as never))).toEqual([
      'layers',
      'kvHeads',
      'headDim',
      'dtype',
      'maxSequences',
      'maxLength',
      'limitBytes',
    ])
    expect(() => new PagedKvCache(undefined as never)).toThrow(code('INVALID_OPTIONS'))
  })

  it('that are unknown are refused, with the nearest known one', () => {
    expect(() => makeCache({ blockToken: 16 } as never)).toThrow('did you mean blockTokens?')
    expect(() => makeCache({ layout: 'split' } as never)).toThrow('layout is not an option')
  })

  it('must fit together', () => {
    expect(() => makeCache({ limitBytes: blockBytes - 1 })).toThrow(
      `at least one block of 8 tokens, ${blockBytes} bytes`,
    )
    expect(reasonsOf(() => makeCache({ poolLayout: 'paged-attention', headDim: 6 }))).toEqual([
      'headDim',
    ])
    expect(
      reasonsOf(() => makeCache({ poolLayout: 'paged-attention', dtype: 'bfloat16', headDim: 12 })),
    ).toEqual(['headDim'])
    expect(
      reasonsOf(() => makeCache({ limitBytes: Number.MAX_SAFE_INTEGER, blockTokens: 1 })),
    ).toEqual(['limitBytes'])
    expect(pagedReasons(small)).toEqual([])
  })

  it('take a CUDA device, whose pages are larger', () => {
    const device = { type: 'cuda', index: 0 } as const
    expect(pagedReasons({ ...small, device })).toEqual([])
    expect(PagedKvCache.geometry({ ...small, device }).reservedBytes).toBe(2 ** 21)
    expect(reasonsOf(() => makeCache({ device: { type: 'cuda', index: -1 } }))).toEqual(['device'])
  })

  it('refuse a CUDA device that is not there, and say why', () => {
    expect(() => makeCache({ device: { type: 'cuda', index: 1000 } })).toThrow(
      expect.objectContaining({
        code: 'ERR_VATTENTION_UNSUPPORTED',
        message: expect.stringMatching(/libcuda|CUDA device 1000|no GPU/) as string,
      }),
    )
  })

  it('have defaults', () => {
    const { blockTokens: _tokens, valueHeadDim: _dim, ...required } = small
    using cache = new PagedKvCache(required)
    expect(cache.shape.valueHeadDim).toBe(8)
    expect(cache.blockTokens).toBe(16)
    expect(cache.poolLayout).toBe('nhd')
    expect(cache.device).toEqual({ type: 'cpu' })
    expect(cache.kind).toBe('paged')
    expect(Object.isFrozen(cache.shape)).toBe(true)
  })

  it('of tests are checked too', () => {
    expect(reasonsOf(() => makeCache({}, { hashBits: 0, colour: 1 } as never))).toEqual([
      'hashBits',
      'colour',
    ])
    expect(() => makeCache({}, { faults: { failCall: -1 } })).toThrow(code('INVALID_OPTIONS'))
  })

  it('beyond the memory of the machine are out of memory, and say so', () => {
    const huge = { headDim: 4096, valueHeadDim: 4096, limitBytes: 2 ** 46 }
    expect(() => makeCache(huge)).toThrow(code('OUT_OF_MEMORY'))
    expect(() => makeCache(huge)).toThrow(/The pool needs \d+ bytes, \d+ are available/)
  })

  it.each([1, 8, 16, 32, 64, 128, 256])('may ask for blocks of %i tokens', (size) => {
    using cache = makeCache({ blockTokens: size, limitBytes: 512 * tokenBytes })
    const { sequence } = cache.allocate()!
    expect(cache.step(Uint32Array.of(sequence), Uint32Array.of(129)).status).toBe('ok')
    const width = Math.ceil(129 / size)
    const table = new Int32Array(width)
    expect(cache.view().blockTables(Uint32Array.of(sequence), table, width)).toBe(width)
    expect(new Set(table).size).toBe(width)
    expect(cache.stats().wasteBytes).toBe((width * size - 129) * tokenBytes)
  })
})

describe('geometry', () => {
  it('is what a cache has, and makes nothing', () => {
    const geometry = PagedKvCache.geometry(small)
    expect(geometry).toEqual({
      poolLayout: 'nhd',
      blockTokens: 8,
      blocks,
      maxBlocks: 20,
      bytesPerToken: tokenBytes,
      blockBytes,
      poolBytes: blocks * blockBytes,
      reservedBytes: 65536,
      wasteBoundBytes: blockBytes,
    })
    using cache = makeCache()
    const { totalBytes, reservedBytes } = cache.stats()
    expect([totalBytes, reservedBytes]).toEqual([geometry.poolBytes, geometry.reservedBytes])
    expect(cache.view().blocks).toBe(geometry.blocks)
    expect(() => PagedKvCache.geometry({ ...small, layers: 0 })).toThrow(code('INVALID_OPTIONS'))
  })
})
