import { Worker } from 'node:worker_threads'

import { afterAll, describe, expect, it } from 'vitest'

import { compile } from './support/child.ts'

const core = compile()
afterAll(() => core[Symbol.dispose]())

const script = `
const { parentPort, workerData } = require('node:worker_threads')
async function main() {
  const { ContiguousKvCache, HostTimeline } = await import(workerData.url)
  const cache = new ContiguousKvCache({
    layers: 2, kvHeads: 4, headDim: 64, dtype: 'float32', maxSequences: 8, maxLength: 2048,
    limitBytes: 2 ** 26, pageBytes: [65536], onEvent: () => {},
  })
  const timeline = new HostTimeline()
  cache.waitReady(timeline)
  for (let round = 0; round < 20; round++) {
    const sequences = Array.from({ length: 8 }, () => cache.allocate().sequence)
    for (let length = 1; length < 500; length += 50) {
      const wanted = [Uint32Array.from(sequences), new Uint32Array(8).fill(length)]
      const { status } = round % 2 ? cache.step(...wanted) : await cache.stepAsync(...wanted)
      if (status !== 'ok') throw new Error(status)
    }
    cache.check()
    for (const sequence of sequences) cache.free(sequence)
  }
  if (workerData.leave) {
    // Promises that nothing keeps: the worker is terminated with work in flight.
    timeline.submit()
    void cache.recordFence(timeline).wait()
    const { sequence } = cache.allocate()
    for (let length = 100; length <= 2000; length += 100) {
      void cache.stepAsync(Uint32Array.of(sequence), Uint32Array.of(length))
    }
    parentPort.postMessage(cache.stats().steps)
    return
  }
  const { steps } = cache.stats()
  cache.dispose()
  parentPort.postMessage(steps)
}
main()
`

const start = (leave: boolean) =>
  new Worker(script, {
    eval: true,
    workerData: { url: core.url, leave },
  })

const ended = (worker: Worker) =>
  new Promise<number>((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', resolve)
  })

const message = (worker: Worker) =>
  new Promise<unknown>((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', resolve)
  })

describe('worker threads', () => {
  it('each have caches of their own', async () => {
    const workers = [1, 2, 3].map(() => start(false))
    const steps = Promise.all(workers.map(message))
    const codes = Promise.all(workers.map(ended))
    expect(await steps).toEqual([200, 200, 200])
    expect(await codes).toEqual([0, 0, 0])
  })

  it('may end with caches that nobody disposed and promises that are pending', async () => {
    for (let round = 0; round < 3; round++) {
      const worker = start(true)
      const exit = ended(worker)
      await message(worker)
      await worker.terminate()
      await exit
    }
  })
})
