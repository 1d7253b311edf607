import { expect, test } from 'vitest'

import {
  backendCases,
  backendSuite,
  cacheCases,
  cacheSuite,
  runCase,
  type Suite,
} from '../src/index.ts'
import { JsPagedCache } from './support/js-paged-cache.ts'
import { mutantCaches, mutantMemory } from './support/mutant-caches.ts'
import { NaiveBackend } from './support/naive-backend.ts'
import { SimulatedMemory } from './support/simulated-memory.ts'

const memory = new SimulatedMemory()
const subject = {
  kind: 'paged',
  create: (options) => new JsPagedCache(options, memory),
  memory,
  prefixIndex: false,
} as const satisfies Parameters<typeof cacheSuite>[1]

/** Runs a suite's case as a runner does that knows nothing of contexts and needs. */
function run({ cases }: Suite, name: string) {
  const { group = '', run } = cases.find((one) => one.name === name)!
  const context = { unmet: () => [] }
  return runCase({ name, group, needs: undefined, run: () => run() }, context)
}

test('a suite has the cases of its subject, in order', () => {
  const backend = new NaiveBackend(memory)
  const suite = backendSuite('naive', { backend, caches: {}, memory })
  const expected = backendCases(backend.capabilities).map(({ name, group }) => ({ name, group }))
  expect(suite.name).toBe('naive')
  expect(suite.cases.map(({ name, group }) => ({ name, group }))).toEqual(expected)
  expect(cacheSuite('paged', subject).cases).toHaveLength(cacheCases('paged').length)
})

test('a case passes, is skipped with every reason, or fails', async () => {
  const suite = cacheSuite('paged', subject)
  const [first, shared] = [
    suite.cases[0]!,
    cacheCases('paged').find((one) => one.needs.prefixIndex),
  ]
  expect(await run(suite, first.name)).toMatchObject({ status: 'passed' })
  const skipped = await run(suite, shared!.name)
  expect(skipped).toMatchObject({ status: 'skipped' })
  expect('reasons' in skipped && skipped.reasons.join()).not.toBe('')

  const [, group, Mutant] = mutantCaches[0]!
  const create = (options: ConstructorParameters<typeof Mutant>[0]) =>
    new Mutant(options, mutantMemory)
  const broken = cacheSuite('mutant', { ...subject, create, memory: mutantMemory })
  const results = await Promise.all(
    broken.cases.filter((one) => one.group === group).map((one) => run(broken, one.name)),
  )
  expect(results.some(({ status }) => status === 'failed')).toBe(true)
})
