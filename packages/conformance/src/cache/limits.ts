/** Limits and books: memory that is limited at run time, and figures that always add up. */
import type { Sequence } from '@vattention/interface'

import { codes, expect, expectEqual, expectError } from '../expect.ts'
import { Random } from '../random.ts'
import { smallestPage, type CacheCase } from './context.ts'

const group = 'limits'

/** Cases of `setLimit` and `stats`. */
export const limitCases: readonly CacheCase[] = [
  {
    group,
    name: 'limits: a lower limit holds from the next step on, and can be raised again',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 4096, maxLength: 8192 })
      const { cache } = probe
      const { limitBytes } = cache.stats()
      const sequence = probe.add(1000, 1)
      cache.setLimit(limitBytes / 2)
      const { length, result } = probe.growUntilFull(sequence, 64)
      expectEqual(result.limit, 'bytes', 'the limit met')
      expect(length < 2600, `${length} tokens fit in half of 4096`)
      probe.expectRows(sequence, 1, 0, 1000, 'under the lower limit')
      cache.setLimit(limitBytes)
      probe.step([sequence], [length + 1000])
      probe.expectRows(sequence, 1, 0, 1000, 'under the old limit')
    },
  },
  {
    group,
    name: 'limits: lowering the limit gives back what is not in use',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 8192, maxLength: 4096 })
      const { cache } = probe
      const keep = probe.add(500, 1)
      const others = [probe.add(2000), probe.add(2000)]
      for (const other of others) cache.free(other)
      const { limitBytes } = cache.stats()
      cache.setLimit(limitBytes / 4)
      const after = probe.checkBooks('after lowering the limit')
      expect(after.limitBytes <= limitBytes / 4, `limitBytes is ${after.limitBytes}`)
      // A pool is reserved at once and keeps its size; what it hands out follows the limit.
      const { totalBytes, mappedBytes, retainedBytes } = after
      const held = cache.kind === 'paged' ? mappedBytes + retainedBytes : totalBytes
      expect(held <= limitBytes / 4, `${held} bytes are still held`)
      probe.expectRows(keep, 1, 0, 500, 'the live sequence')
    },
  },
  {
    group,
    name: 'limits: limits that make no sense are refused',
    needs: {},
    async run(context) {
      using probe = context.probe({ tokens: 1024 })
      const { limitBytes } = probe.cache.stats()
      for (const wrong of [-1, NaN, 0.5, Infinity, '1' as never]) {
        await expectError(() => probe.cache.setLimit(wrong), codes.argument, `setLimit(${wrong})`)
      }
      expectEqual(probe.cache.stats().limitBytes, limitBytes, 'limitBytes')
    },
  },
  {
    group,
    name: 'limits: bytes used follow the tokens, and nothing is left when all are freed',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 8192 })
      const { layers, kvHeads, headDim, valueHeadDim } = probe.cache.shape
      const tokenBytes = layers * kvHeads * (headDim + valueHeadDim) * 4
      const lengths = [1, 16, 100, 257, 1000]
      const sequences = lengths.map((length) => probe.add(length))
      const tokens = lengths.reduce((sum, length) => sum + length, 0)
      const full = probe.checkBooks('five sequences')
      expectEqual(full.usedBytes, tokens * tokenBytes, 'usedBytes')
      expectEqual(full.liveSequences, 5, 'liveSequences')
      expect(full.neededBytes >= full.usedBytes, 'less needed than used')
      probe.cache.truncate(sequences[4]!, 500)
      expectEqual(
        probe.checkBooks('truncated').usedBytes,
        (tokens - 500) * tokenBytes,
        'usedBytes, truncated',
      )
      for (const sequence of sequences) probe.cache.free(sequence)
      const empty = probe.checkBooks('all freed')
      for (const name of ['mappedBytes', 'usedBytes', 'sharedBytes', 'liveSequences'] as const) {
        expectEqual(empty[name], 0, `${name} with all freed`)
      }
    },
  },
  {
    group,
    name: 'limits: waste stays below one page per tensor, or one block, of each sequence',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 16_384, contiguous: { layout: 'split' } })
      const { cache } = probe
      const view = cache.view()
      const { layers, kvHeads, headDim, valueHeadDim } = cache.shape
      const blockBytes =
        view.kind === 'paged'
          ? view.blockTokens * layers * kvHeads * (headDim + valueHeadDim) * 4
          : 0
      const bound = view.kind === 'paged' ? blockBytes : 2 * layers * smallestPage(cache.device)
      for (const [i, length] of [1, 255, 256, 257, 1000, 2048].entries()) {
        probe.add(length)
        const { wasteBytes } = probe.checkBooks(`${i + 1} sequences`)
        expect(wasteBytes < (i + 1) * bound, `${wasteBytes} bytes of waste with ${i + 1} sequences`)
      }
    },
  },
  {
    group,
    name: 'limits: the books add up after every operation of a busy cache',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 6000, maxSequences: 10 })
      const { cache } = probe
      const random = new Random(3)
      const live: Sequence[] = []
      // What a sequence has or will share: no step may ask for less.
      const least = new Map<Sequence, number>()
      let previous = cache.stats()
      for (let round = 0; round < 400; round++) {
        const operation = random.integer(8)
        const sequence = live.length > 0 ? random.pick(live) : undefined
        const backed = sequence === undefined ? 0 : cache.backedLength(sequence)
        if (operation === 0 || sequence === undefined) {
          const allocation = cache.allocate()
          if (allocation) live.push(allocation.sequence)
        } else if (operation === 1) {
          const length = random.integer(backed + 1)
          const child = cache.fork(sequence, length)
          if (child !== undefined) {
            live.push(child)
            least.set(child, length)
          }
        } else if (operation === 2) {
          cache.free(sequence)
          live.splice(live.indexOf(sequence), 1)
        } else if (operation === 3) {
          const length = random.integer(backed + 1)
          cache.truncate(sequence, length)
          least.set(sequence, length)
        } else {
          const grow = live.filter(() => random.integer(2) === 0)
          const lengths = grow.map((one) =>
            Math.min(
              2048,
              Math.max(cache.backedLength(one), least.get(one) ?? 0) + random.integer(200),
            ),
          )
          probe.tryStep(grow, lengths)
        }
        const stats = probe.checkBooks(`after operation ${round}`)
        expectEqual(stats.liveSequences, live.length, 'liveSequences')
        for (const name of ['steps', 'stepsOutOfMemory', 'driverCalls', 'evictions'] as const) {
          expect(stats[name] >= previous[name], `${name} went down from ${previous[name]}`)
        }
        expectEqual(stats.stepNsHistogram.length, 40, 'buckets of stepNsHistogram')
        previous = stats
      }
    },
  },
]
