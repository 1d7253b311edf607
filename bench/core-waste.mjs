// What page granularity costs a live sequence of a contiguous cache: the worst of every length up to
// 2048 tokens, beside the bound of its layout, and the average of 64 sequences of mixed lengths. The
// same of the paged cache with blocks of 16.
//
//   npm run build && node bench/core-waste.mjs
//
// The cache has SmolLM2-135M's shape; nothing is timed.
import { ContiguousKvCache } from '@vattention/core'
import { PagedKvCache } from '@vattention/paged-attention'

import { must, shape } from './cache-lib.mjs'
import { environment, writeResult } from './engine-lib.mjs'

const maxLength = 2048
const sequences = 64

const contiguous = (layout) => (maxSequences) => {
  const options = { ...shape, layout, maxSequences, maxLength, limitBytes: 2 ** 32 }
  const { wasteBoundBytes } = ContiguousKvCache.geometry(options)
  return {
    cache: new ContiguousKvCache({ ...options, mapAhead: false }),
    boundBytes: wasteBoundBytes,
  }
}
const subjects = {
  interleaved: contiguous('interleaved'),
  split: contiguous('split'),
  'paged 16': (maxSequences) => {
    const options = { ...shape, maxSequences, maxLength, blockTokens: 16, limitBytes: 2 ** 32 }
    const { wasteBoundBytes } = PagedKvCache.geometry(options)
    return { cache: new PagedKvCache(options), boundBytes: wasteBoundBytes }
  },
}

function step(cache, handles, lengths) {
  must(cache.step(Uint32Array.from(handles), Uint32Array.from(lengths)))
}

/** The most that one sequence ever wastes while it grows token by token. */
function worst(make) {
  const { cache, boundBytes } = make(1)
  const { sequence } = cache.allocate()
  let worstBytes = 0
  for (let length = 1; length <= maxLength; length++) {
    step(cache, [sequence], [length])
    worstBytes = Math.max(worstBytes, cache.stats().wasteBytes)
  }
  cache[Symbol.dispose]()
  return { boundBytes, worstBytes }
}

/** What sequences of all lengths waste together. */
function mixed(make) {
  const { cache } = make(sequences)
  const handles = Array.from({ length: sequences }, () => cache.allocate().sequence)
  const lengths = handles.map((_, i) => 1 + ((i * 761) % maxLength))
  step(cache, handles, lengths)
  const { wasteBytes, usedBytes, neededBytes } = cache.stats()
  cache[Symbol.dispose]()
  return { wasteBytes, usedBytes, share: wasteBytes / neededBytes }
}

const results = Object.fromEntries(
  Object.entries(subjects).map(([name, make]) => {
    const { boundBytes, worstBytes } = worst(make)
    return [
      name,
      { boundBytes, worstBytes, withinBound: worstBytes < boundBytes, mixed: mixed(make) },
    ]
  }),
)
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`
for (const [name, { boundBytes, worstBytes, withinBound, mixed: all }] of Object.entries(results)) {
  console.log(
    `${name}: at most ${kib(worstBytes)} of ${kib(boundBytes)} a sequence${withinBound ? '' : ' (MISSED)'}; ` +
      `${(100 * all.share).toFixed(2)} % of ${sequences} sequences`,
  )
  if (!withinBound) process.exitCode = 1
}
const { commit, node } = environment().versions
writeResult('core-waste', {
  model: undefined, // none runs
  versions: { commit, node },
  what: 'bytes of pages that hold no token, per live sequence',
  command: 'node bench/core-waste.mjs',
  shape,
  maxLength,
  sequences,
  results,
})
