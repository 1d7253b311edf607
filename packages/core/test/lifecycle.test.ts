import { afterAll, describe, expect, it } from 'vitest'

import { compile, runScript } from './support/child.ts'

const core = compile()
afterAll(() => core[Symbol.dispose]())

/** What a process holds: mappings that are not the allocator's or V8's own, files, memory. */
const measure = `
import { readFileSync, readdirSync } from 'node:fs'
const options = {
  layers: 2, kvHeads: 4, headDim: 64, dtype: 'float32', maxSequences: 8, maxLength: 2048,
  limitBytes: 2 ** 24, pageBytes: [65536],
}
const measure = () => {
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\\n')
  return {
    // Of caches: pages, and address space without permissions as large as only they take it.
    pages: maps.filter((line) => line.includes('memfd:vattention')).length,
    reserved: maps.filter((line) => {
      const [range, permissions] = line.split(' ')
      const [from, to] = range.split('-').map((address) => parseInt(address, 16))
      return permissions === '---p' && to - from >= 2 ** 20 && !line.includes('/')
    }).length,
    files: readdirSync('/proc/self/fd').map((fd) => Number(fd)).length,
    threads: readdirSync('/proc/self/task').length,
    rss: Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024,
  }
}
`

interface Measured {
  pages: number
  reserved: number
  files: number
  threads: number
  rss: number
}

describe('200 caches made, used and disposed', () => {
  it('leave mappings and files exactly as they were, and no memory', () => {
    const script = `
${measure}
const { ContiguousKvCache, HostTimeline, hostTensor, read, write } = await import('${core.url}')
const wait = () => new Promise((resolve) => setImmediate(resolve))
const tokens = Uint32Array.from({ length: 300 }, (_, j) => j)
async function cycle(i) {
  // Constructors fail in every way there is: bad options, no address space, a failing driver.
  const failing = [
    [{ ...options, layers: 0 }],
    [{ ...options, maxLength: 2 ** 31, maxSequences: 2 ** 20 }],
    ...[1, 2, 3].map((failCall) => [options, { faults: { failCall, errno: 12 } }]),
  ]
  for (const args of failing) {
    try { new ContiguousKvCache(...args)[Symbol.dispose]() } catch (error) {
      if (!error.code.startsWith('ERR_VATTENTION_')) throw error
    }
  }
  const layout = ['split', 'interleaved', { layerGroup: 1 }][i % 3]
  const cache = new ContiguousKvCache({
    ...options, layout, mapAhead: i % 2 ? {} : false, traceEvents: 50, onEvent: () => {},
  })
  const timeline = new HostTimeline()
  cache.waitReady(timeline)
  const sequences = [0, 1, 2].map(() => cache.allocate().sequence)
  cache.step(Uint32Array.from(sequences), Uint32Array.of(300, 100, 50))
  cache.publish(sequences[0], tokens)
  const child = cache.fork(sequences[0], 130)
  await cache.stepAsync(Uint32Array.of(child), Uint32Array.of(200))
  const shared = cache.allocate({ prefix: tokens }).sequence
  cache.step(Uint32Array.of(shared), Uint32Array.of(300))
  const work = timeline.submit()
  const fence = cache.recordFence(timeline)
  cache.free(child, fence)
  cache.truncate(shared, 10)
  timeline.complete(work)
  await fence.wait()
  fence[Symbol.dispose]()
  const tensor = hostTensor('float32', [256])
  write(tensor, new Float32Array(256))
  read(tensor)
  tensor[Symbol.dispose]()
  cache.step(Uint32Array.of(shared), Uint32Array.of(2048))
  await cache.trimAsync()
  if (i % 5 === 0) await cache.disposeAsync()
  else cache.dispose()
  timeline[Symbol.dispose]()
  await wait()
}
const at = {}
for (let i = 0; i <= 200; i++) {
  // Garbage that V8 has not looked at yet is no leak.
  if (i % 10 === 0) global.gc()
  if (i === 20 || i === 200) { global.gc(); await wait(); global.gc(); at[i] = measure() }
  await cycle(i)
}
console.log(JSON.stringify(at))
`
    const at = runScript<Record<'20' | '200', Measured>>(script, ['--expose-gc'])
    expect(at[20].pages).toBe(0)
    expect(at[200].pages).toBe(0)
    expect(at[200].files).toBe(at[20].files)
    expect(at[200].threads).toBe(at[20].threads)
    expect(at[200].reserved).toBe(at[20].reserved)
    expect(at[200].rss - at[20].rss).toBeLessThan(8 * 2 ** 20)
  })
})

describe('a cache that nobody disposes', () => {
  it('gives everything back when it is collected, whatever hangs on it', () => {
    const script = `
${measure}
const { ContiguousKvCache, HostTimeline } = await import('${core.url}')
const wait = () => new Promise((resolve) => setImmediate(resolve))
async function lose(i) {
  const events = []
  // The listener leads back to the cache.
  const cache = new ContiguousKvCache({
    ...options, mapAhead: i % 2 ? {} : false, onEvent: (event) => events.push([cache, event]),
  })
  const timeline = new HostTimeline()
  cache.waitReady(timeline)
  timeline.submit()
  const sequence = cache.allocate().sequence
  cache.step(Uint32Array.of(sequence), Uint32Array.of(500))
  cache.free(sequence, cache.recordFence(timeline))
  await cache.mapper.drainAsync()
  await wait()
}
await lose(0)
for (let i = 0; i < 5; i++) { global.gc(); await wait() }
const before = measure()
for (let i = 0; i < 30; i++) await lose(i)
for (let i = 0; i < 10; i++) { global.gc(); await wait() }
console.log(JSON.stringify([before, measure()]))
`
    const [before, after] = runScript<[Measured, Measured]>(script, ['--expose-gc'])
    expect(before.pages).toBe(0)
    expect(after.pages).toBe(0)
    expect(after.files).toBe(before.files)
    expect(after.threads).toBe(before.threads)
  })

  it('lets the process end while it is in use', () => {
    const script = `
const { ContiguousKvCache, HostTimeline } = await import('${core.url}')
${measure}
const cache = new ContiguousKvCache({ ...options, mapAhead: {}, onEvent: () => {} })
const timeline = new HostTimeline()
cache.waitReady(timeline)
timeline.submit()
const { sequence } = cache.allocate()
cache.step(Uint32Array.of(sequence), Uint32Array.of(500))
cache.stepAsync(Uint32Array.of(sequence), Uint32Array.of(600))
void cache.recordFence(timeline).wait()
console.log('true')
process.exit(0)
`
    expect(runScript(script)).toBe(true)
  })

  it('keeps the process alive while a promise is pending, and no longer', () => {
    const script = `
const { ContiguousKvCache, HostTimeline } = await import('${core.url}')
${measure}
const cache = new ContiguousKvCache({ ...options, mapAhead: {}, onEvent: () => {} })
const { sequence } = cache.allocate()
cache.stepAsync(Uint32Array.of(sequence), Uint32Array.of(600)).then(({ status }) => {
  console.log(JSON.stringify(status))
})
`
    expect(runScript(script)).toBe('ok')
  })
})
