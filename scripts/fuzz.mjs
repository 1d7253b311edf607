// Fuzzes the caches against their shadow model from any seed (built packages; see bootstrap):
//
//   npm run fuzz -- --seed 7 --operations 1000000     both caches
//   npm run fuzz -- paged-attention --seed 7          one of core, paged-attention
import { parseArgs } from 'node:util'

import { BootstrapError, runMain } from './progress.mjs'
import { runVitest } from './vitest.mjs'

const caches = ['core', 'paged-attention']

/** A whole number of at least 0 from the command line. */
function count(name, text) {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new BootstrapError(`--${name}: an integer of at least 0 required, found ${text}`)
}

await runMain(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      operations: { type: 'string', default: '1000000' },
    },
  })
  const seed = count('seed', values.seed)
  const operations = count('operations', values.operations)
  const unknown = positionals.find((name) => !caches.includes(name))
  if (unknown) throw new BootstrapError(`${caches.join(' or ')} required, found ${unknown}`)
  let failed = false
  for (const name of positionals.length > 0 ? positionals : caches) {
    console.log(`${name}: ${operations} operations from seed ${seed}`)
    const passed = runVitest(name, ['test/fuzz.test.ts', '--testTimeout', '0'], {
      VATTENTION_FUZZ_SEED: String(seed),
      VATTENTION_FUZZ_OPERATIONS: String(operations),
    })
    failed ||= !passed
  }
  return failed ? 1 : 0
})
