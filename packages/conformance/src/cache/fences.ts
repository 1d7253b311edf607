/** Fences: memory leaves a sequence only when those who may still read it have passed. */
import { codes, expect, expectEqual, expectError } from '../expect.ts'
import type { CacheCase } from './context.ts'

const group = 'fences'
const needs = { streams: true }

/** Cases of `recordFence`, `waitReady` and `after`. */
export const fenceCases: readonly CacheCase[] = [
  {
    group,
    name: 'fences: a fence is done when the work before it has ended',
    needs,
    async run(context) {
      using probe = context.probe()
      using stream = context.subject.stream!()
      probe.add(10)
      using idle = probe.cache.recordFence(stream)
      expectEqual(idle.done, true, 'done with no work')
      await idle.wait()
      const first = stream.submit()
      using fence = probe.cache.recordFence(stream)
      const second = stream.submit()
      expectEqual(fence.done, false, 'done with work under way')
      stream.complete(first)
      expectEqual(fence.done, true, 'done with later work under way')
      await fence.wait()
      stream.complete(second)
      probe.cache.waitReady(stream)
      // Waiting for the cache is work of the stream, too: over before either is disposed.
      using end = probe.cache.recordFence(stream)
      await end.wait()
    },
  },
  {
    group,
    name: 'fences: memory freed behind a fence is pending, and comes back when it is done',
    needs,
    async run(context) {
      using probe = context.probe({ tokens: 2048, maxLength: 4096 })
      using stream = context.subject.stream!()
      const { cache } = probe
      const first = probe.allocate()
      const { length } = probe.growUntilFull(first, 64)
      probe.write(first, 1, 0, length)
      const work = stream.submit()
      using fence = cache.recordFence(stream)
      const [place] = [probe.rows.place(first)]
      cache.free(first, fence)
      const second = probe.allocate()
      const refused = probe.tryStep([second], [length])
      if (refused.status === 'outOfMemory') {
        expect(refused.pendingBytes > 0, 'pendingBytes is 0 while a fence holds memory')
      } else {
        // The cache may have found a place that nobody waits for; it must not be the freed one.
        expect(probe.rows.place(second)[0] !== place[0], 'memory behind a fence was given out')
      }
      // A slot keeps its pages parked, a pool's blocks are condemned: neither is free.
      const { condemnedBytes, parkedBytes } = probe.checkBooks('while a fence holds memory')
      expect(condemnedBytes + parkedBytes > 0, 'memory behind a fence counts as free')
      stream.complete(work)
      await fence.wait()
      probe.step([second], [length])
      probe.expectZeros(second, 0, length, 'memory that a fence held')
      expectEqual(cache.stats().condemnedBytes, 0, 'condemnedBytes after the fence')
    },
  },
  {
    group,
    name: 'fences: truncate and slide take fences too',
    needs,
    async run(context) {
      using probe = context.probe({ maxLength: 4096, contiguous: { leadRows: 0 } })
      using stream = context.subject.stream!()
      const { cache } = probe
      const sequence = probe.add(3000, 1)
      const work = stream.submit()
      using fence = cache.recordFence(stream)
      cache.slide(sequence, 1500, fence)
      cache.truncate(sequence, 2500, fence)
      expectEqual(cache.backedLength(sequence), 2500, 'backedLength')
      probe.expectRows(sequence, 1, 1500, 2500, 'kept')
      probe.checkBooks('while a fence holds memory')
      stream.complete(work)
      await fence.wait()
      probe.step([sequence], [2600])
      probe.write(sequence, 2, 2500, 2600)
      probe.expectRows(sequence, 1, 1500, 2500, 'kept, fence passed')
      probe.expectRows(sequence, 2, 2500, 2600, 'grown, fence passed')
    },
  },
  {
    group,
    name: 'fences: a fence may be disposed early and twice, and is then refused',
    needs,
    async run(context) {
      using probe = context.probe()
      using stream = context.subject.stream!()
      const sequence = probe.add(100, 1)
      const work = stream.submit()
      const fence = probe.cache.recordFence(stream)
      fence[Symbol.dispose]()
      fence[Symbol.dispose]()
      await expectError(() => probe.cache.free(sequence, fence), codes.disposed, 'free')
      probe.expectRows(sequence, 1, 0, 100, 'after the refusal')
      stream.complete(work)
    },
  },
]
