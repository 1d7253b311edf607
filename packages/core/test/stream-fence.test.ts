import { cpu } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { HostTimeline, recordFence, waitFor } from '../src/index.ts'
import { code, makeCache, sequenceOf, stepTo } from './support/caches.ts'
import { noGpu } from './support/gpu.ts'

const callingThread = { device: cpu, handle: 0n }

describe('recordFence', () => {
  it('needs no cache, and passes in the order of its stream', async () => {
    using timeline = new HostTimeline()
    const first = timeline.submit()
    using fence = recordFence(timeline)
    timeline.submit()
    expect(fence.done).toBe(false)
    const seen = fence.wait().then(() => 'passed')
    timeline.complete(first)
    expect(fence.done).toBe(true)
    expect(await seen).toBe('passed')
    using now = recordFence(callingThread)
    expect(now.done).toBe(true)
  })

  it('outlives its timeline, and its disposal while it is waited for', async () => {
    const fence = (() => {
      using timeline = new HostTimeline()
      timeline.submit()
      return recordFence(timeline)
    })()
    const wait = fence.wait()
    fence[Symbol.dispose]()
    fence[Symbol.dispose]()
    await wait
    expect(() => fence.done).toThrow(code('DISPOSED'))
  })

  it('is good for what a cache does behind a fence', () => {
    using cache = makeCache({ maxSequences: 2, limitBytes: 4 * 65536 })
    using timeline = new HostTimeline()
    const sequence = sequenceOf(cache, 64)
    timeline.submit()
    using fence = recordFence(timeline)
    cache.free(sequence, fence)
    const next = cache.allocate()!.sequence
    expect(cache.step(Uint32Array.of(next), Uint32Array.of(64)).status).toBe('outOfMemory')
    timeline.complete()
    stepTo(cache, next, 64)
  })

  it('refuses what is no stream', () => {
    for (const stream of [
      undefined,
      {},
      { device: cpu },
      { device: cpu, handle: 0 },
      { device: cpu, handle: -1n },
      { device: cpu, handle: 2n ** 64n },
      { device: { type: 'cuda' }, handle: 0n },
    ]) {
      expect(() => recordFence(stream as never)).toThrow(code('INVALID_ARGUMENT'))
      using fence = recordFence(callingThread)
      expect(() => waitFor(stream as never, fence)).toThrow(code('INVALID_ARGUMENT'))
    }
  })

  it('says that the GPU is not there', () => {
    expect(() => recordFence({ device: noGpu, handle: 1n })).toThrow(code('UNSUPPORTED'))
  })
})

describe('waitFor', () => {
  it('has nothing to do for a fence that has passed', () => {
    using fence = recordFence(callingThread)
    waitFor(callingThread, fence)
    waitFor({ device: noGpu, handle: 1n }, fence)
  })

  it('refuses to make a thread wait, or a GPU for a thread', () => {
    using timeline = new HostTimeline()
    timeline.submit()
    using fence = recordFence(timeline)
    expect(() => waitFor(callingThread, fence)).toThrow(code('UNSUPPORTED'))
    expect(() => waitFor({ device: noGpu, handle: 1n }, fence)).toThrow(code('UNSUPPORTED'))
  })

  it('refuses fences of nobody, and disposed ones', () => {
    const fence = recordFence(callingThread)
    fence[Symbol.dispose]()
    expect(() => waitFor(callingThread, fence)).toThrow(code('DISPOSED'))
    expect(() => waitFor(callingThread, {} as never)).toThrow(code('INVALID_ARGUMENT'))
  })
})
