// What the paged cache's own work costs, from JavaScript: steps that find everything there, steps that
// take blocks, copies of forks, prefix lookups, block tables. Needs built packages.
//
//   npm run build && node bench/paged-step.mjs [--sequences 256] [--rounds 20000]
import { parseArgs } from 'node:util'

import { PagedKvCache } from '@vattention/paged-attention'

import { must, shape, summary, withCache } from './cache-lib.mjs'
import { environment, writeResult } from './engine-lib.mjs'

const { values } = parseArgs({
  options: {
    sequences: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '20000' },
  },
})
const count = Number(values.sequences)
const rounds = Number(values.rounds)

const blockTokens = 16

/** Times `action` (and not `prepare`, before each), after a tenth of the rounds to warm up. */
function time(times, action, prepare = () => undefined) {
  const durations = new Float64Array(times)
  for (let i = -Math.ceil(times / 10); i < times; i++) {
    prepare()
    const start = process.hrtime.bigint()
    action()
    const end = process.hrtime.bigint()
    if (i >= 0) durations[i] = Number(end - start)
  }
  return summary(durations)
}

function cacheOf(maxSequences, tokens, options = {}) {
  const base = { ...shape, blockTokens, maxSequences, maxLength: 32768, ...options }
  const { blockBytes } = PagedKvCache.geometry({ ...base, limitBytes: 2 ** 40 })
  const limitBytes = Math.ceil(tokens / base.blockTokens) * blockBytes
  return new PagedKvCache({ ...base, limitBytes })
}

/** `count` sequences of `length` tokens. */
function grow(cache, length) {
  const sequences = Uint32Array.from({ length: count }, () => cache.allocate().sequence)
  const lengths = new Uint32Array(count).fill(length)
  must(cache.step(sequences, lengths))
  return { sequences, lengths }
}

/** Nothing changes: the floor of a call. */
function nothing() {
  return withCache(cacheOf(count, count * 64), (cache) => {
    const { sequences, lengths } = grow(cache, 40)
    return time(rounds, () => must(cache.step(sequences, lengths)))
  })
}

/**
 * Every sequence decodes a token per step; those that reach `most` are replaced by new ones. With
 * blocks of 16 tokens a sixteenth of them takes a block each step, recycled and so zeroed.
 */
function decode(tokensPerBlock, most) {
  return withCache(
    cacheOf(count, count * (most + tokensPerBlock), { blockTokens: tokensPerBlock }),
    (cache) => {
      const { sequences, lengths } = grow(cache, 1)
      for (let s = 0; s < count; s++) lengths[s] = 1 + (s % (most - 1))
      must(cache.step(sequences, lengths))
      const advance = () => {
        for (let s = 0; s < count; s++) {
          if (++lengths[s] <= most) continue
          cache.free(sequences[s])
          sequences[s] = cache.allocate().sequence
          lengths[s] = 1
        }
      }
      return time(Math.min(rounds, 4000), () => must(cache.step(sequences, lengths)), advance)
    },
  )
}

/** A prompt of 1024 tokens over recycled blocks, zeroed by the step. */
function prompt() {
  return withCache(cacheOf(4, 2048), (cache) => {
    const lengths = Uint32Array.of(1024)
    return time(200, () => {
      const { sequence } = cache.allocate()
      must(cache.step(Uint32Array.of(sequence), lengths))
      cache.free(sequence)
    })
  })
}

/** Fork at 1000 tokens, step by one: 62 blocks shared, 8 tokens copied. */
function fork() {
  return withCache(cacheOf(4, 4096), (cache) => {
    const { sequence: source } = cache.allocate()
    must(cache.step(Uint32Array.of(source), Uint32Array.of(1000)))
    return time(2000, () => {
      const child = cache.fork(source, 1000)
      must(cache.step(Uint32Array.of(child), Uint32Array.of(1001)))
      cache.free(child)
    })
  })
}

/** Lookup of a prompt of 2048 tokens that is cached, and of one that is not. */
function prefix(hit) {
  return withCache(cacheOf(4, 8192), (cache) => {
    const tokens = Uint32Array.from({ length: 2048 }, (_, i) => i * 7)
    const { sequence } = cache.allocate()
    must(cache.step(Uint32Array.of(sequence), Uint32Array.of(2048)))
    cache.publish(sequence, tokens)
    const asked = hit ? tokens : tokens.map((token) => token + 1)
    return time(5000, () => cache.free(cache.allocate({ prefix: asked }).sequence))
  })
}

/** Telling the cache of one more full block of a sequence of 2048 tokens. */
function publish() {
  return withCache(cacheOf(4, 8192), (cache) => {
    const tokens = Uint32Array.from({ length: 2048 }, (_, i) => i * 7)
    const { sequence } = cache.allocate()
    must(cache.step(Uint32Array.of(sequence), Uint32Array.of(2048)))
    return time(5000, () => cache.publish(sequence, tokens))
  })
}

/** The block tables of all sequences, 512 tokens each. */
function blockTables() {
  return withCache(cacheOf(count, count * 512), (cache) => {
    const { sequences } = grow(cache, 512)
    const out = new Int32Array(count * 32)
    const view = cache.view()
    return time(rounds, () => view.blockTables(sequences, out, 32))
  })
}

const microseconds = {
  stepNothingToDo: nothing(),
  stepDecodeBlocks256: decode(256, 255),
  stepDecodeBlocks16: decode(16, 480),
  stepPrompt1024Recycled: prompt(),
  forkAndStep1000: fork(),
  prefixHit2048: prefix(true),
  prefixMiss2048: prefix(false),
  publishAgain2048: publish(),
  blockTables512: blockTables(),
}
const { commit, node } = environment().versions
writeResult('paged-step', {
  model: undefined, // none runs
  versions: { commit, node },
  what: 'paged cache: microseconds per call from JavaScript',
  command: `node bench/paged-step.mjs --sequences ${count} --rounds ${rounds}`,
  sequences: count,
  blockTokens,
  shape,
  bars: { stepNothingToDoP99: 50 },
  microseconds,
})
console.log(`microseconds per call, ${count} sequences:`)
console.table(microseconds)
