// What the contiguous cache's `step` costs on a serving loop's critical path, from JavaScript:
//
//  1. steps of 256 decoding sequences that find everything there;
//  2. 64 sequences of 256 to 2048 tokens that decode, end and are replaced, a step every 2 ms, with
//     and without the mapper thread: how many steps had to map something themselves.
//
//   npm run build && node bench/core-step.mjs [--rounds 20000] [--steps 6000] [--layout split]
//
// The cache has SmolLM2-135M's shape. Needs about 4 GB of memory.
import { parseArgs } from 'node:util'

import { ContiguousKvCache } from '@vattention/core'

import { must, shape, summary } from './cache-lib.mjs'
import { environment, writeResult } from './engine-lib.mjs'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20000' },
    steps: { type: 'string', default: '6000' },
    layout: { type: 'string', default: 'split' },
  },
})
const { layout } = values
const rounds = Number(values.rounds)
const steps = Number(values.steps)

const paceMs = 2

/** Every sequence decodes one token a step into memory that is there. */
function nothingToMap(count) {
  const length = 160
  const cache = new ContiguousKvCache({
    ...shape,
    layout,
    maxSequences: count,
    maxLength: 2048,
    limitBytes: 2 ** 32,
    mapAhead: false,
  })
  const sequences = Uint32Array.from({ length: count }, () => cache.allocate().sequence)
  const lengths = new Uint32Array(count).fill(length)
  must(cache.step(sequences, lengths))
  const durations = []
  while (durations.length < rounds * 1.1) {
    // Truncating unmaps nothing: the next tokens find their pages.
    for (const sequence of sequences) cache.truncate(sequence, 1)
    lengths.fill(1)
    while (lengths[0] < length) {
      for (let s = 0; s < count; s++) lengths[s]++
      const start = process.hrtime.bigint()
      const result = cache.step(sequences, lengths)
      const end = process.hrtime.bigint()
      if (must(result).driverCalls > 0) throw new Error('a step made a driver call')
      durations.push(Number(end - start))
    }
  }
  cache[Symbol.dispose]()
  // The first tenth warms up.
  return summary(durations.slice(durations.length - rounds))
}

/** A generator of our own, so that both runs see the same requests. */
function randomOf(seed) {
  let state = seed
  return (from, to) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return from + Math.floor((state / 2 ** 32) * (to - from))
  }
}

function sleepUntil(at) {
  const left = Number(at - process.hrtime.bigint()) / 1e6
  if (left > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, left)
}

/** Sequences with prompts of 64 to 256 tokens grow to 256 to 2048 and are replaced at once. */
function turnover(mapAhead) {
  const count = 64
  const cache = new ContiguousKvCache({
    ...shape,
    layout,
    maxSequences: count + 8,
    maxLength: 2048,
    limitBytes: 2 ** 32,
    mapAhead,
  })
  const random = randomOf(7)
  const sequences = new Uint32Array(count)
  const lengths = new Uint32Array(count)
  const ends = new Uint32Array(count)
  const begin = (s) => {
    sequences[s] = cache.allocate().sequence
    ends[s] = random(256, 2049)
    lengths[s] = random(64, 257)
  }
  for (let s = 0; s < count; s++) {
    begin(s)
    // Spread over their lives, as in a server that has been running for a while.
    lengths[s] = random(lengths[s], ends[s])
  }
  must(cache.step(sequences, lengths))
  const warm = Math.ceil(steps / 4)
  const durations = []
  const tally = { steps: 0, mappedSync: 0, withPrompt: 0, withPromptMappedSync: 0, turnovers: 0 }
  let next = process.hrtime.bigint()
  for (let i = -warm; i < steps; i++) {
    let prompts = 0
    for (let s = 0; s < count; s++) {
      if (++lengths[s] <= ends[s]) continue
      cache.free(sequences[s])
      begin(s)
      prompts++
    }
    sleepUntil(next)
    const start = process.hrtime.bigint()
    // From step to step, as forward passes take: a machine that was away for a while does not make
    // the loop hurry.
    next = start + BigInt(paceMs * 1e6)
    const { driverCalls } = must(cache.step(sequences, lengths))
    const end = process.hrtime.bigint()
    if (i < 0) continue
    durations.push(Number(end - start))
    tally.steps++
    tally.turnovers += prompts
    if (driverCalls > 0) tally.mappedSync++
    if (prompts > 0) tally.withPrompt++
    if (prompts > 0 && driverCalls > 0) tally.withPromptMappedSync++
  }
  const stats = cache.stats()
  cache[Symbol.dispose]()
  return {
    ...tally,
    shareWithoutDriverCall: (tally.steps - tally.mappedSync) / tally.steps,
    microseconds: summary(durations),
    totalBytes: stats.totalBytes,
    neededBytes: stats.neededBytes,
    wasteBytes: stats.wasteBytes,
    driverCalls: stats.driverCalls,
    adoptions: stats.adoptions,
  }
}

const result = {
  nothingToMap256: nothingToMap(256),
  turnover64: { mapperOn: turnover({}), mapperOff: turnover(false) },
}
const { commit, node } = environment().versions
writeResult(`core-step${layout === 'split' ? '' : `-${layout}`}`, {
  model: undefined, // none runs
  versions: { commit, node },
  what: 'contiguous cache: microseconds per step from JavaScript, steps that mapped themselves',
  command: `node bench/core-step.mjs --rounds ${rounds} --steps ${steps} --layout ${layout}`,
  layout,
  shape,
  paceMs,
  bars: { nothingToMap256P99Us: 50, shareWithoutDriverCall: 0.99 },
  ...result,
})
console.log('microseconds per step of 256 sequences, nothing to map:')
console.table({ step: result.nothingToMap256 })
console.log(`64 sequences with turnover, a step every ${paceMs} ms:`)
for (const [name, { microseconds, ...run }] of Object.entries(result.turnover64)) {
  console.log(name)
  console.table(run)
  console.table({ step: microseconds })
}
