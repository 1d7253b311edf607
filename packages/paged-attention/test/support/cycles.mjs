// 200 caches made, used and given back; see lifecycle.test.ts. Talks to the addon directly, so that
// the process needs no TypeScript. Prints one JSON object.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setImmediate } from 'node:timers/promises'

const { Cache } = createRequire(import.meta.url)('../../addon.node')
const [, , kind] = process.argv

const options = {
  layers: 4,
  kvHeads: 2,
  headDim: 64,
  valueHeadDim: 64,
  dtype: 2,
  maxSequences: 8,
  maxLength: 4096,
  deviceType: 1,
  deviceIndex: 0,
  limitBytes: 16 * 2 ** 20,
  blockTokens: 16,
  poolLayout: 0,
  prefixCache: true,
  hashBits: 0,
  traceEvents: 16,
  notifyEvents: true,
  cgroupRoot: '',
}

// Once, since garbage of the test's own would count as growth.
const tokens = Uint32Array.from({ length: 1000 }, (_, i) => i)

/** One life of a cache; `close` ends it, else it is left to the garbage collector. */
async function use(close) {
  const cache = new Cache(options, new Float64Array(8))
  const first = cache.allocate()
  cache.step(Uint32Array.of(first), Uint32Array.of(1000))
  cache.publish(first, tokens, 'salt')
  const second = cache.fork(first, 900)
  await cache.stepAsync(Uint32Array.of(second), Uint32Array.of(1100))
  const third = cache.allocatePrefix(tokens, 'salt')
  cache.step(Uint32Array.of(third), Uint32Array.of(1000))
  cache.free(first, undefined)
  cache.ref()
  cache.recordFence(1, 0, 0n)
  cache.takeEvents()
  if (close) cache.close()
}

/** A constructor whose nth driver call fails. */
function fail(cycle) {
  const faults = { failCall: 1 + (cycle % 3), failCount: 1, failCode: 12, failKind: 0, delayUs: 0 }
  try {
    new Cache({ ...options, faults }, new Float64Array(8))
  } catch (error) {
    if (error.code === 'ERR_VATTENTION_OUT_OF_MEMORY') return
    throw error
  }
  throw new Error('a constructor was expected to fail')
}

async function collect() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await setImmediate()
  }
}

async function report() {
  await collect()
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
  const status = readFileSync('/proc/self/status', 'utf8')
  return {
    // Of the caches: V8 maps its own heap as it likes.
    mappings: maps.filter((line) => line.includes('vattention-kv-cache')).length,
    descriptors: readdirSync('/proc/self/fd').length,
    residentBytes: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024,
  }
}

await use(true) // loads what is loaded once
const before = await report()
let warm
for (let cycle = 1; cycle <= 200; cycle++) {
  if (kind === 'failing') fail(cycle)
  if (kind !== 'failing' || cycle % 4 === 0) await use(kind !== 'collected')
  if (kind === 'collected') await collect()
  if (cycle === 20) warm = await report()
}
const after = await report()
const grewBytes = after.residentBytes - warm.residentBytes
console.log(JSON.stringify({ before, after, grewBytes }))
