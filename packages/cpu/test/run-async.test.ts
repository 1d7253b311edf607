import { readBits } from '@vattention/core'
import { expect, test } from 'vitest'
import { Worker } from 'node:worker_threads'

import { codeOf } from './code-of.ts'
import { makeScene } from './scene.ts'

test('runAsync gives the bits of run', async () => {
  using scene = makeScene({ dtype: 'bfloat16' })
  const { plan, batch, args } = scene
  plan.prepare(batch)
  plan.run(args)
  const output = readBits(args.output)
  const lse = readBits(args.lse)
  await plan.runAsync(args)
  expect(readBits(args.output)).toEqual(output)
  expect(readBits(args.lse)).toEqual(lse)
})

test('layers follow each other without a gap', async () => {
  using scene = makeScene()
  const { plan, batch, args } = scene
  plan.prepare(batch)
  for (let round = 0; round < 50; round++) await plan.runAsync({ ...args, layer: round % 2 })
  expect(readBits(args.output).some((bits) => bits !== 0)).toBe(true)
})

test('while it is at work other calls of the plan are refused', async () => {
  using scene = makeScene()
  const { plan, batch, args } = scene
  plan.prepare(batch)
  const work = plan.runAsync(args)
  expect(codeOf(() => plan.run(args))).toBe('ERR_VATTENTION_BUSY')
  expect(codeOf(() => plan.prepare(batch))).toBe('ERR_VATTENTION_BUSY')
  await expect(plan.runAsync(args)).rejects.toMatchObject({ code: 'ERR_VATTENTION_BUSY' })
  await work
  plan.run(args)
})

test('errors reject: nothing is thrown', async () => {
  using scene = makeScene()
  const { plan, batch, args, cache, sequence } = scene
  await expect(plan.runAsync(args)).rejects.toMatchObject({ code: 'ERR_VATTENTION_NOT_PREPARED' })
  plan.prepare(batch)
  await expect(plan.runAsync({ ...args, layer: -1 })).rejects.toMatchObject({
    code: 'ERR_VATTENTION_INVALID_TENSOR',
  })
  cache.free(sequence)
  await expect(plan.runAsync(args)).rejects.toMatchObject({ code: 'ERR_VATTENTION_STALE_SEQUENCE' })
})

test('a plan disposed meanwhile ends its work first', async () => {
  using scene = makeScene()
  const { plan, batch, args } = scene
  plan.prepare(batch)
  plan.run(args)
  const expected = readBits(args.output)
  const work = plan.runAsync(args)
  plan.dispose()
  await work
  expect(readBits(args.output)).toEqual(expected)
  expect(codeOf(() => plan.run(args))).toBe('ERR_VATTENTION_DISPOSED')
})

test('pages leave a sequence only after the work that reads them', async () => {
  using scene = makeScene()
  const { plan, batch, args, cache, sequence } = scene
  plan.prepare(batch)
  plan.run(args)
  const expected = readBits(args.output)
  const work = plan.runAsync(args)
  cache.truncate(sequence, 0)
  cache.free(sequence)
  await work
  expect(readBits(args.output)).toEqual(expected)
  const { totalBytes, mappedBytes, retainedBytes, parkedBytes, condemnedBytes, freeBytes } =
    cache.stats()
  expect(mappedBytes + retainedBytes + parkedBytes + condemnedBytes + freeBytes).toBe(totalBytes)
})

test('the cache knows of work at hand: it does not close under it', async () => {
  using scene = makeScene()
  const { plan, batch, args, cache } = scene
  plan.prepare(batch)
  const work = plan.runAsync(args)
  // Either refused, or the work had ended already; never memory that goes away.
  const code = codeOf(() => cache[Symbol.dispose]())
  expect([undefined, 'ERR_VATTENTION_BUSY']).toContain(code)
  await work
  cache[Symbol.dispose]()
})

test('a worker that ends takes its plans with it', async () => {
  const source = `
    const { workerData, parentPort } = require('node:worker_threads')
    const { Plan } = require(workerData)
    const numbers = new Float64Array(5 * 17 + 1)
    const plan = new Plan({
      cacheKind: 0, layers: 1, kvHeads: 1, headDim: 64, valueHeadDim: 64, cacheDtype: 0,
      cacheSequences: 1, cacheLength: 64, poolLayout: 0, blockTokens: 0, queryHeads: 1, dtype: 0,
      scale: 0, causal: true, window: 0, softCap: 0, needsLse: false, batchInvariant: true,
      maxSequences: 1, maxTokens: 1, maxLength: 64, graphSequences: 0, graphMaxLength: 0,
      threads: 3, deviceIndex: 0,
    }, numbers)
    plan.runAsync().catch((error) => parentPort.postMessage(error.message))
    setInterval(() => plan, 1000)
  `
  const addonFile = new URL('../addon.node', import.meta.url).pathname
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(source, { eval: true, workerData: addonFile })
    const message = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    expect(message).toMatch(/plan_prepare/)
    expect(await worker.terminate()).toBe(1)
  }
})
