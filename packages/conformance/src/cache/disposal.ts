/** Disposal and construction: nothing works afterwards, nothing is left behind, options are checked. */
import type { KvCache, Reason, Sequence } from '@vattention/interface'

import { codes, expect, expectError } from '../expect.ts'
import type { CacheCase } from './context.ts'
import { callsWith } from './handles.ts'

const group = 'disposal'

/** Calls that take no sequence. */
function callsWithout(cache: KvCache): [name: string, call: () => unknown][] {
  return [
    ['allocate', () => cache.allocate()],
    ['stats', () => cache.stats()],
    ['setLimit', () => cache.setLimit(1 << 20)],
    ['view', () => cache.view()],
    ['an empty step', () => cache.step(new Uint32Array(0), new Uint32Array(0))],
  ]
}

/** Options that break one or several rules, and the names that the reasons must have. */
const wrongOptions: readonly (readonly [what: string, change: object, names: readonly string[]])[] =
  [
    ['no layers', { layers: 0 }, ['layers']],
    ['half a head', { kvHeads: 1.5 }, ['kvHeads']],
    ['a negative head dim', { headDim: -64 }, ['headDim']],
    ['a dtype that there is not', { dtype: 'float12' }, ['dtype']],
    ['a limit that is no number', { limitBytes: '1 GiB' }, ['limitBytes']],
    ['an option that there is not', { layerz: 2 }, ['layerz']],
    [
      'several at once',
      { layers: -1, headDim: 0, maxSequences: NaN, maxLength: 0, colour: 'red' },
      ['layers', 'headDim', 'maxSequences', 'maxLength', 'colour'],
    ],
  ]

/** Cases of disposal and construction. */
export const disposalCases: readonly CacheCase[] = [
  {
    group,
    name: 'disposal: a disposed cache refuses every call, and may be disposed again',
    needs: {},
    async run(context) {
      const probe = context.probe()
      const { cache } = probe
      const sequence = probe.add(100, 1)
      const calls = [...callsWith(cache, sequence), ...callsWithout(cache)]
      cache[Symbol.dispose]()
      cache[Symbol.dispose]()
      for (const [name, call] of calls) await expectError(call, codes.disposed, name)
    },
  },
  {
    group,
    name: 'disposal: disposing while stepAsync is under way is refused, or ends it in order',
    needs: {},
    async run(context) {
      for (let round = 0; round < 5; round++) {
        const cache = context.create()
        const sequence = cache.allocate()!.sequence
        const pending = cache.stepAsync(Uint32Array.of(sequence), Uint32Array.of(2000))
        let refused: unknown
        try {
          cache[Symbol.dispose]()
        } catch (error) {
          refused = (error as { code?: string }).code
          expect(refused === codes.busy, `dispose ended with ${refused}`)
        }
        const end = await pending.then(
          (result) => result.status,
          (error: { code?: string }) => error.code,
        )
        expect(end === 'ok' || end === codes.disposed, `stepAsync ended with ${end}`)
        if (refused) expect(cache.backedLength(sequence) === 2000, 'a refused dispose changed it')
        cache[Symbol.dispose]()
        await expectError(() => cache.backedLength(sequence), codes.disposed, 'afterwards')
      }
    },
  },
  {
    group,
    name: 'disposal: caches come and go without disturbing each other',
    needs: {},
    run(context) {
      using lasting = context.probe()
      const sequence = lasting.add(700, 1)
      for (let round = 0; round < 20; round++) {
        using passing = context.probe({ maxSequences: 4 })
        const others: Sequence[] = [passing.add(700), passing.add(3)]
        for (const other of others) passing.fill(other, NaN, 0, 3)
      }
      lasting.expectRows(sequence, 1, 0, 700, 'the lasting cache')
      lasting.step([sequence], [900])
      lasting.expectZeros(sequence, 700, 900, 'the lasting cache, grown')
    },
  },
  ...wrongOptions.map(([what, change, names]): CacheCase => ({
    group,
    name: `disposal: no cache is made with ${what}, and every reason is told`,
    needs: {},
    async run(context) {
      const make = () => context.createWith({ ...change })[Symbol.dispose]()
      const error = await expectError(make, codes.options, what)
      const reasons = (error as { reasons?: readonly Reason[] }).reasons ?? []
      const told = reasons.map(({ code }) => code)
      for (const name of names) {
        expect(told.includes(name), `expected a reason ${name}, found ${told.join(', ')}`)
      }
    },
  })),
]
