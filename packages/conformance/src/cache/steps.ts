/** Steps: what they back, all or nothing, and what they say when memory runs out. */
import { codes, expect, expectEqual, expectError, expectSameFields } from '../expect.ts'
import type { CacheCase } from './context.ts'
import { pageAccounts } from './probe.ts'

const group = 'steps'

const lengths = (...values: number[]) => Uint32Array.from(values)

/** Cases of `step` and `stepAsync`. */
export const stepCases: readonly CacheCase[] = [
  {
    group,
    name: 'steps: what is backed is readable and writable, to the last token',
    needs: {},
    run(context) {
      using probe = context.probe()
      const sequences = [1, 15, 16, 17, 255, 256, 257, 2048].map((length, i) => {
        const sequence = probe.allocate()
        probe.step([sequence], [length])
        expectEqual(probe.cache.backedLength(sequence), length, 'backedLength')
        probe.write(sequence, i, 0, length)
        return { sequence, length }
      })
      for (const [i, { sequence, length }] of sequences.entries()) {
        probe.expectRows(sequence, i, 0, length, `sequence ${i}`)
      }
    },
  },
  {
    group,
    name: 'steps: a batch of many sequences grows together, what was written stays',
    needs: {},
    run(context) {
      using probe = context.probe({ maxSequences: 64, maxLength: 512 })
      const sequences = Array.from({ length: 64 }, () => probe.allocate())
      for (let length = 1; length <= 400; length += 57) {
        probe.step(
          sequences,
          sequences.map((_, i) => Math.max(1, length - i)),
        )
        for (const [i, sequence] of sequences.entries()) {
          const written = Math.max(0, length - 57 - i)
          probe.write(sequence, i, written, Math.max(1, length - i))
        }
      }
      for (const [i, sequence] of sequences.entries()) {
        probe.expectRows(sequence, i, 0, probe.cache.backedLength(sequence), `sequence ${i}`)
      }
    },
  },
  {
    group,
    name: 'steps: what is backed already takes no memory, and an empty batch is fine',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 4096 })
      const sequence = probe.add(300)
      const before = pageAccounts(probe.cache.stats())
      const again = probe.tryStep([sequence], [300])
      expect(again.status === 'ok', `step: expected ok, found ${again.status}`)
      expectEqual(again.mappedBytes, 0, 'mappedBytes')
      const nothing = probe.tryStep([], [])
      expectEqual(nothing.status, 'ok', 'status of an empty step')
      const after = pageAccounts(probe.cache.stats())
      expectEqual(after.steps, before.steps! + 2, 'steps')
      expectSameFields({ ...after, steps: before.steps }, before, 'stats')
    },
  },
  {
    group,
    name: 'steps: lengths never shrink',
    needs: {},
    async run(context) {
      using probe = context.probe()
      const sequence = probe.add(300, 1)
      try {
        probe.tryStep([sequence], [10])
      } catch (error) {
        expectEqual((error as { code?: string }).code, codes.argument, 'code of a shorter length')
      }
      expectEqual(probe.cache.backedLength(sequence), 300, 'backedLength')
      probe.expectRows(sequence, 1, 0, 300, 'after a step to fewer tokens')
    },
  },
  {
    group,
    name: 'steps: wrong arguments are refused and change nothing',
    needs: {},
    async run(context) {
      using probe = context.probe({ tokens: 4096 })
      const { cache } = probe
      const [first, second] = [probe.add(20, 1), probe.add(30, 2)]
      const before = pageAccounts(cache.stats())
      const wrong: readonly (readonly [string, Uint32Array, Uint32Array])[] = [
        ['a length beyond maxLength', lengths(first), lengths(2049)],
        ['one length too few', lengths(first, second), lengths(40)],
        ['one length too many', lengths(first), lengths(40, 50)],
        ['a sequence twice', lengths(first, second, first), lengths(40, 40, 50)],
        ['arrays that are no Uint32Array', [first] as never, [40] as never],
      ]
      for (const [what, sequences, wanted] of wrong) {
        await expectError(() => cache.step(sequences, wanted), codes.argument, what)
        await expectError(
          () => cache.stepAsync(sequences, wanted),
          codes.argument,
          `${what}, async`,
        )
      }
      expectSameFields(pageAccounts(cache.stats()), before, 'stats after refused steps')
      expectEqual(cache.backedLength(first), 20, 'backedLength of the first')
      probe.expectRows(second, 2, 0, 30, 'the second')
    },
  },
  {
    group,
    name: 'steps: out of memory is a result, all or nothing, and changes nothing',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 1536, maxLength: 8192 })
      const { cache } = probe
      const [first, second, third] = [probe.add(300, 1), probe.add(200, 2), probe.add(100, 3)]
      const before = pageAccounts(cache.stats())
      for (let round = 0; round < 3; round++) {
        const result = probe.tryStep([first, second, third], [301, 7000, 101])
        expect(result.status === 'outOfMemory', 'a step beyond the limit: expected outOfMemory')
        expectEqual(result.limit, 'bytes', 'the limit met')
        expect(result.neededBytes > 0, `neededBytes is ${result.neededBytes}`)
        expectEqual(result.pendingBytes, 0, 'pendingBytes without fences')
        expectEqual(result.evictableBytes, 0, 'evictableBytes with nothing freed')
        expectSameFields(pageAccounts(cache.stats()), before, 'stats after outOfMemory')
      }
      for (const [sequence, length] of [
        [first, 300],
        [second, 200],
        [third, 100],
      ] as const) {
        expectEqual(cache.backedLength(sequence), length, 'backedLength after outOfMemory')
      }
      probe.expectRows(first, 1, 0, 300, 'the first')
      probe.expectRows(second, 2, 0, 200, 'the second')
      probe.expectRows(third, 3, 0, 100, 'the third')
      probe.step([first, third], [310, 110])
    },
  },
  {
    group,
    name: 'steps: memory that others leave is used before a step says it is out of memory',
    needs: {},
    run(context) {
      using probe = context.probe({ tokens: 2048, maxLength: 8192 })
      const { cache } = probe
      for (let round = 0; round < 4; round++) {
        const [first, second] = [probe.allocate(), probe.allocate()]
        const { length } = probe.growUntilFull(first, 64)
        const refused = probe.tryStep([second], [64])
        expectEqual(refused.status, 'outOfMemory', `round ${round}: a second sequence`)
        cache.free(first)
        probe.step([second], [length])
        probe.expectZeros(second, 0, length, `round ${round}: what the first left`)
        probe.fill(second, NaN, 0, length)
        cache.free(second)
      }
    },
  },
  {
    group,
    name: 'steps: stepAsync does what step does, with copies of its arrays',
    needs: {},
    async run(context) {
      using probe = context.probe({ tokens: 2048, maxLength: 8192 })
      const { cache } = probe
      const sequence = probe.allocate()
      const [sequences, wanted] = [lengths(sequence), lengths(100)]
      const pending = cache.stepAsync(sequences, wanted)
      sequences[0] = 0
      wanted[0] = 8000
      const result = await pending
      expectEqual(result.status, 'ok', 'status')
      expectEqual(cache.backedLength(sequence), 100, 'backedLength')
      probe.write(sequence, 1, 0, 100)
      const refused = await cache.stepAsync(lengths(sequence), lengths(8000))
      expectEqual(refused.status, 'outOfMemory', 'status beyond the limit')
      const both = [probe.allocate(), probe.allocate()]
      await Promise.all(both.map((one) => cache.stepAsync(lengths(one), lengths(200))))
      for (const one of both) expectEqual(cache.backedLength(one), 200, 'backedLength, in parallel')
      probe.expectRows(sequence, 1, 0, 100, 'what was written')
    },
  },
]
