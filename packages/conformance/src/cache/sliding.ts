/** Sliding: tokens before a window go, those in it stay. */
import { codes, expect, expectEqual, expectError } from '../expect.ts'
import { smallestPage, type CacheCase } from './context.ts'

const group = 'sliding'
const noLead = { contiguous: { leadRows: 0 } }

/** Cases of `slide`. */
export const slidingCases: readonly CacheCase[] = [
  {
    group,
    name: 'sliding: tokens of the window stay, and the sequence grows on',
    needs: {},
    run(context) {
      using probe = context.probe(noLead)
      const sequence = probe.add(800, 1)
      for (const first of [1, 16, 17, 300, 301, 512, 799]) {
        probe.cache.slide(sequence, first)
        probe.expectRows(sequence, 1, first, 800, `slid to ${first}`)
        expectEqual(probe.cache.backedLength(sequence), 800, 'backedLength')
        probe.checkBooks(`slid to ${first}`)
      }
      probe.step([sequence], [1500])
      probe.write(sequence, 2, 800, 1500)
      probe.expectRows(sequence, 1, 799, 800, 'kept')
      probe.expectRows(sequence, 2, 800, 1500, 'grown')
    },
  },
  {
    group,
    name: 'sliding: a sequence far longer than memory fits, if its window does',
    needs: { sharesMemory: true },
    run(context) {
      using probe = context.probe({ tokens: 2048, maxLength: 16_384, ...noLead })
      const sequence = probe.allocate()
      for (let length = 64; length <= 16_384; length += 64) {
        probe.step([sequence], [length])
        probe.write(sequence, 1, length - 64, length)
        probe.cache.slide(sequence, Math.max(0, length - 200))
      }
      probe.expectRows(sequence, 1, 16_384 - 200, 16_384, 'the last window')
    },
  },
  {
    group,
    name: 'sliding: what one sequence gives up comes to others without its contents',
    needs: { sharesMemory: true },
    run(context) {
      // A page goes when all of it lies before the window, so large ones would keep the memory.
      const pageBytes = [smallestPage(context.subject.memory.device)]
      using probe = context.probe({ tokens: 3072, contiguous: { leadRows: 0, pageBytes } })
      const first = probe.add(2048)
      probe.fill(first, NaN, 0, 2048)
      const second = probe.allocate()
      expectEqual(probe.tryStep([second], [1800]).status, 'outOfMemory', 'before sliding')
      probe.cache.slide(first, 1900)
      probe.step([second], [1500])
      probe.expectZeros(second, 0, 1500, 'another sequence')
    },
  },
  {
    group,
    name: 'sliding: sliding one sequence leaves those it shares with alone',
    needs: {},
    run(context) {
      using probe = context.probe({ maxSequences: 4, ...noLead })
      const parent = probe.add(1000, 1)
      const child = probe.fork(parent, 1000)
      probe.step([child], [1010])
      probe.cache.slide(child, 900)
      const other = probe.add(1500)
      probe.fill(other, NaN, 0, 1500)
      probe.expectRows(parent, 1, 0, 1000, 'source')
      probe.expectRows(child, 1, 900, 1000, 'fork')
    },
  },
  {
    group,
    name: 'sliding: places that make no sense are refused',
    needs: {},
    async run(context) {
      using probe = context.probe(noLead)
      const sequence = probe.add(500, 1)
      for (const wrong of [-1, 1.5, NaN, 2 ** 33]) {
        await expectError(
          () => probe.cache.slide(sequence, wrong),
          codes.argument,
          `slide(${wrong})`,
        )
      }
      for (const wrong of [-1, 1.5, NaN, 2 ** 33]) {
        const truncate = () => probe.cache.truncate(sequence, wrong)
        await expectError(truncate, codes.argument, `truncate(${wrong})`)
      }
      probe.expectRows(sequence, 1, 0, 500, 'after refusals')
      expect(probe.cache.backedLength(sequence) === 500, 'backedLength after refusals')
    },
  },
]
