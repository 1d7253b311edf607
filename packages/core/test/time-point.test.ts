import { describe, expect, it } from 'vitest'

import { HostTimeline, recordTime } from '../src/index.ts'

describe('recordTime', () => {
  it.each([
    ['nothing', undefined],
    ['the calling thread', { device: { type: 'cpu' }, handle: 0n }],
    ['a stream of the CPU', new HostTimeline()],
    ['no handle', { device: { type: 'cuda', index: 0 }, handle: 0 }],
  ])('%s is no stream of a GPU', (_, stream) => {
    expect(() => recordTime(stream as never)).toThrow(
      expect.objectContaining({ code: 'ERR_VATTENTION_INVALID_ARGUMENT' }),
    )
  })

  it('without the GPU it says so', () => {
    // No machine has so many.
    const stream = { device: { type: 'cuda', index: 1000 }, handle: 0n } as const
    expect(() => recordTime(stream)).toThrow(
      expect.objectContaining({ code: 'ERR_VATTENTION_UNSUPPORTED' }),
    )
  })
})
