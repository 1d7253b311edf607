/** Handles: slots run out, freed sequences are known to be freed, views say where rows are. */
import { denseStrides, sameDevice, type KvCache, type Sequence } from '@vattention/interface'

import { codes, expect, expectEqual, expectError, expectSameFields } from '../expect.ts'
import type { CacheCase } from './context.ts'
import { pageAccounts } from './probe.ts'

const group = 'handles'

/** Everything that takes a sequence, by name. */
export function callsWith(
  cache: KvCache,
  sequence: Sequence,
): [name: string, call: () => unknown][] {
  const one = Uint32Array.of(sequence)
  const view = cache.view()
  const place =
    view.kind === 'paged'
      ? () => view.blockTables(one, new Int32Array(4096), 4096)
      : () => view.slots(one, new Int32Array(1))
  return [
    ['step', () => cache.step(one, Uint32Array.of(8))],
    ['stepAsync', () => cache.stepAsync(one, Uint32Array.of(8))],
    ['fork', () => cache.fork(sequence, 0)],
    ['publish', () => cache.publish(sequence, Uint32Array.of(1, 2, 3))],
    ['truncate', () => cache.truncate(sequence, 0)],
    ['slide', () => cache.slide(sequence, 0)],
    ['backedLength', () => cache.backedLength(sequence)],
    [view.kind === 'paged' ? 'blockTables' : 'slots', place],
    ['free', () => cache.free(sequence)],
  ]
}

/** Cases of sequences and views. */
export const handleCases: readonly CacheCase[] = [
  {
    group,
    name: 'handles: slots run out without an error, and come back',
    needs: {},
    run(context) {
      using probe = context.probe({ maxSequences: 5 })
      const { cache } = probe
      const sequences = Array.from({ length: 5 }, () => probe.allocate())
      expectEqual(new Set(sequences).size, 5, 'different sequences')
      expectEqual(cache.allocate(), undefined, 'allocate with no slot left')
      expectEqual(cache.fork(sequences[0]!, 0), undefined, 'fork with no slot left')
      expectEqual(cache.stats().liveSequences, 5, 'liveSequences')
      cache.free(sequences[2]!)
      expectEqual(cache.stats().liveSequences, 4, 'liveSequences after free')
      probe.allocate()
      expectEqual(cache.allocate(), undefined, 'allocate with no slot left again')
    },
  },
  {
    group,
    name: 'handles: a freed sequence is refused by every call, also when its slot is in use',
    needs: {},
    async run(context) {
      using probe = context.probe({ maxSequences: 2 })
      const { cache } = probe
      const stale: Sequence[] = []
      for (let round = 0; round < 4; round++) {
        const sequence = probe.add(40, round)
        const other = probe.add(30, 100)
        for (const old of stale) {
          for (const [name, call] of callsWith(cache, old)) {
            await expectError(call, codes.stale, `${name} of a freed sequence, round ${round}`)
          }
        }
        expect(!stale.includes(sequence), 'a new sequence has the handle of a freed one')
        probe.expectRows(sequence, round, 0, 40, 'the live sequence')
        expectEqual(cache.backedLength(sequence), 40, 'backedLength of the live sequence')
        cache.free(sequence)
        cache.free(other)
        stale.push(sequence, other)
      }
    },
  },
  {
    group,
    name: 'handles: numbers that are no sequence are refused, and 0 is never one',
    needs: {},
    async run(context) {
      using probe = context.probe()
      const { cache } = probe
      const sequence = probe.add(40, 1)
      expect(sequence !== 0, 'the first sequence is 0')
      const before = pageAccounts(cache.stats())
      for (const wrong of [0, 1, 0xffff_ffff, sequence ^ 0x4000_0000].filter(
        (n) => n !== sequence,
      )) {
        for (const [name, call] of callsWith(cache, (wrong >>> 0) as Sequence)) {
          await expectError(call, codes.stale, `${name} of ${wrong >>> 0}`)
        }
      }
      expectSameFields(pageAccounts(cache.stats()), before, 'stats')
      probe.expectRows(sequence, 1, 0, 40, 'the live sequence')
    },
  },
  {
    group,
    name: 'handles: one stale handle in a batch refuses all of it',
    needs: {},
    async run(context) {
      using probe = context.probe({ tokens: 4096 })
      const { cache } = probe
      const [live, freed] = [probe.add(40), probe.add(40)]
      cache.free(freed)
      const before = pageAccounts(cache.stats())
      const batch = [Uint32Array.of(live, freed), Uint32Array.of(900, 900)] as const
      await expectError(() => cache.step(...batch), codes.stale, 'step')
      await expectError(() => cache.stepAsync(...batch), codes.stale, 'stepAsync')
      expectEqual(cache.backedLength(live), 40, 'backedLength of the live one')
      expectSameFields(pageAccounts(cache.stats()), before, 'stats')
    },
  },
  {
    group,
    name: 'handles: the view is one object and describes the cache',
    needs: {},
    run(context) {
      using probe = context.probe({ layers: 3, headDim: 64, valueHeadDim: 32, dtype: 'bfloat16' })
      const { cache } = probe
      const view = cache.view()
      expectEqual(view.kind, cache.kind, 'kind of the view')
      expectEqual(view.layers.length, 3, 'layers')
      probe.add(300)
      expectEqual(cache.view(), view, 'the view after a step')
      expect(sameDevice(cache.device, context.subject.memory.device), 'device of the cache')
      const { kvHeads } = cache.shape
      for (const layer of view.layers) {
        for (const [tensor, dim] of [
          [layer.key, 64],
          [layer.value, 32],
        ] as const) {
          expectEqual(tensor.dtype, 'bfloat16', 'dtype')
          expect(sameDevice(tensor.device, cache.device), 'device of a tensor')
          expectEqual(tensor.strides.at(-1), 1, 'last stride')
          const nhd = view.kind === 'contiguous' || view.layout === 'nhd'
          if (!nhd) continue
          expectEqual(tensor.shape.slice(2).join(), [kvHeads, dim].join(), 'heads and dim')
          const dense = denseStrides(tensor.shape)
          expect(
            tensor.strides.every((stride, i) => stride >= dense[i]!),
            'strides overlap',
          )
        }
      }
    },
  },
  {
    group,
    name: 'handles: shape, kind and device are what was asked for',
    needs: {},
    run(context) {
      using cache = context.create({ layers: 3, kvHeads: 5, headDim: 48, maxLength: 700 })
      const { subject } = context
      expectEqual(cache.kind, subject.kind, 'kind')
      const expected = { layers: 3, kvHeads: 5, headDim: 48, valueHeadDim: 48, maxLength: 700 }
      expectSameFields({ ...cache.shape }, expected, 'shape')
      expectEqual(cache.shape.maxSequences, 8, 'maxSequences')
    },
  },
]
