/**
 * The kit tests itself: a backend with any of these mistakes must fail, in the group of cases that
 * is about it. The same backend without a mistake passes all of them: see js-subjects.test.ts.
 */
import { describe, expect, test } from 'vitest'

import { backendCases, backendContext, runCases, type CaseResult } from '../src/index.ts'
import { JsContiguousCache } from './support/js-contiguous-cache.ts'
import { JsPagedCache } from './support/js-paged-cache.ts'
import { mutations, type Mutation } from './support/mutations.ts'
import { NaiveBackend } from './support/naive-backend.ts'
import { SimulatedMemory } from './support/simulated-memory.ts'

/** Where each mistake must show, at the latest. */
const groupOf: Readonly<Record<Mutation, string>> = {
  'window off by one': 'features',
  'base-2 LSE': 'memory',
  'packed cache assumed': 'views',
  'packed query assumed': 'memory',
  'last row dropped': 'views',
  'cap before scale': 'features',
  'causal ignored': 'views',
  'causal from the top left': 'views',
  'stale tail read': 'memory',
  'empty rows left alone': 'memory',
  'heads interleaved': 'views',
  'slots ignored': 'views',
  'layer ignored': 'views',
  'ALiBi the other way': 'features',
  'sinks ignored': 'features',
  'softmax without maximum': 'algebra',
  'prompts first, outputs too': 'algebra',
  'appended one row late': 'memory',
  'bits depend on the batch': 'algebra',
  'unbacked lengths accepted': 'refusals',
  'written before checked': 'refusals',
  'merge without weights': 'merge',
  'merge in base 2': 'merge',
  'first reason only': 'refusals',
}

async function firstFailure(mutation: Mutation | undefined, group: string) {
  const memory = new SimulatedMemory()
  const backend = new NaiveBackend(memory, mutation)
  const context = backendContext({
    backend,
    caches: {
      contiguous: (options) => new JsContiguousCache(options, memory),
      paged: (options) => new JsPagedCache(options, memory),
    },
    memory,
    sameKernel: true,
  })
  const failures: Extract<CaseResult, { status: 'failed' }>[] = []
  const cases = backendCases(backend.capabilities).filter((one) => one.group === group)
  const note = (result: CaseResult) => {
    if (result.status === 'failed') failures.push(result)
  }
  const summary = await runCases(cases, context, note, { bail: true })
  return { summary, failure: failures[0] }
}

describe('a backend with a mistake fails', () => {
  test.each(mutations)('%s', async (mutation) => {
    const { failure } = await firstFailure(mutation, groupOf[mutation])
    expect(failure, 'the kit did not notice').toBeDefined()
    expect((failure!.error as Error).name).toBe('ConformanceFailure')
  })

  test('and without one it passes', async () => {
    const { summary, failure } = await firstFailure(undefined, 'algebra')
    expect(failure).toBeUndefined()
    expect(summary.passed).toBeGreaterThan(15)
  })
})
