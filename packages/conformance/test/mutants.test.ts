/**
 * The kit tests itself: a backend with any of these mistakes must fail, in the cases that are about
 * it. The same backend without a mistake passes all of them: see js-subjects.test.ts.
 */
import { describe, expect, test } from 'vitest'

import { backendCases, backendContext, runCases, type CaseResult } from '../src/index.ts'
import { JsContiguousCache } from './support/js-contiguous-cache.ts'
import { JsPagedCache } from './support/js-paged-cache.ts'
import { mutations, type Mutation } from './support/mutations.ts'
import { NaiveBackend } from './support/naive-backend.ts'
import { simulatedCapture } from './support/simulated-capture.ts'
import { SimulatedMemory } from './support/simulated-memory.ts'

/** How the names of the cases begin that are about each mistake: one of them must fail. */
const aboutIt: Readonly<Record<Mutation, string>> = {
  'window off by one': 'features: window 4',
  'base-2 LSE': 'memory',
  'packed cache assumed': 'views',
  'packed query assumed': 'memory: gaps',
  'last row dropped': 'views',
  'cap before scale': 'features: soft cap',
  'causal ignored': 'views',
  'causal from the top left': 'views',
  'stale tail read': 'memory: NaN',
  'empty rows left alone': 'memory: queries of an empty',
  'heads interleaved': 'shapes: 9 query heads',
  'slots ignored': 'views',
  'layer ignored': 'views',
  'ALiBi the other way': 'features: ALiBi',
  'sinks ignored': 'features: sinks',
  'softmax without maximum': 'algebra: all logits',
  'prompts first, outputs too': 'algebra: outputs keep',
  'appended one row late': 'memory: run appends',
  'bits depend on the batch': "algebra: a row's bits",
  'unbacked lengths accepted': 'refusals: wrong batches',
  'written before checked': 'refusals: wrong tensors',
  'merge without weights': 'merge',
  'merge in base 2': 'merge',
  'first reason only': 'refusals: every reason',
  'graph keeps its first lengths': 'graphs: a captured plan',
  'graph leaves its padding alone': 'graphs: the batch may change',
  'graph appends one batch late': 'graphs: a captured plan',
  'limits taken as they come': 'graphs: limits',
}

async function firstFailure(mutation: Mutation | undefined, beginning: string) {
  const memory = new SimulatedMemory()
  const backend = new NaiveBackend(memory, mutation)
  const context = backendContext({
    backend,
    caches: {
      contiguous: (options) => new JsContiguousCache(options, memory),
      paged: (options) => new JsPagedCache(options, memory),
    },
    memory,
    graphs: simulatedCapture,
    sameKernel: true,
  })
  const failures: Extract<CaseResult, { status: 'failed' }>[] = []
  const cases = backendCases(backend.capabilities).filter(({ name }) => name.startsWith(beginning))
  const note = (result: CaseResult) => {
    if (result.status === 'failed') failures.push(result)
  }
  const summary = await runCases(cases, context, note, { bail: true })
  return { summary, failure: failures[0] }
}

describe('a backend with a mistake fails', () => {
  test.each(mutations)('%s', async (mutation) => {
    const { failure } = await firstFailure(mutation, aboutIt[mutation])
    expect(failure, 'the kit did not notice').toBeDefined()
    expect((failure!.error as Error).name).toBe('ConformanceFailure')
  })

  test.each(['algebra', 'graphs'])('and without one it passes %s', async (group) => {
    const { summary, failure } = await firstFailure(undefined, group)
    expect(failure).toBeUndefined()
    expect(summary.passed).toBeGreaterThan(15)
  })
})
