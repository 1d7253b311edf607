// All benches for a GPU, one after the other, each in a process of its own: what a machine that is
// lent for a while is asked once. Prints what each printed, and all bars at the end.
//
//   npm run build && node bench/gpu/suite.mjs [--quick] [--minutes 9] [--only prefill,decode]
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { barLine } from './lib/bars.mjs'
import { root } from './lib/machine.mjs'
import { parseOptions, read, UsageError } from './lib/options.mjs'

/** In this order; seconds of a full run, beginnings included. */
const benches = {
  prefill: 130,
  decode: 110,
  pages: 85,
  step: 85,
  overhead: 25,
  launch: 70,
  peers: 85,
}
const names = Object.keys(benches)

/** What a bench needs beside its budget: its process, caches, checks. */
const beginSeconds = 22
/** These measure as long as they measure. */
const withoutBudget = ['overhead']
const leastBudget = 8
/** Of its time; with less a bench has too few rounds to say anything. */
const leastShare = 0.3

const about = 'All benches for a GPU, within the minutes that there are.'

function readOptions() {
  try {
    return parseOptions('suite', about, {
      only: { value: 'LIST', about: names.join(', '), read: read.names(names), default: names },
      minutes: {
        value: 'N',
        about: 'for all together, default 9',
        read: read.seconds,
        default: 9,
        quick: 3,
      },
    })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\nSee --help.`)
    process.exit(2)
  }
}

const options = readOptions()
if (options.help) {
  console.log(options.help)
  process.exit(0)
}

const folder = options.out ?? process.env.VATTENTION_RESULTS_DIR ?? join(root, 'bench/results')
const started = Date.now()
const since = () => (Date.now() - started) / 1000
const failures = []
const left = [...options.only]
while (left.length > 0) {
  const planned = left.reduce((sum, name) => sum + benches[name], 0)
  const share = Math.min(1, (options.minutes * 60 - since()) / planned)
  const name = left.shift()
  const seconds = benches[name] * share
  if (share < (options.quick ? 0 : leastShare)) {
    failures.push(`${name}: no time was left`)
    continue
  }
  const args = ['--seed', String(options.seed), '--device', String(options.device)]
  if (options.quick) args.push('--quick')
  else if (!withoutBudget.includes(name)) {
    args.push('--budget', String(Math.max(leastBudget, Math.round(seconds - beginSeconds))))
  }
  console.log(`\n=== ${name} (${Math.round(since())} s)`)
  const { status, signal } = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(new URL(`${name}.mjs`, import.meta.url)), ...args],
    {
      stdio: 'inherit',
      env: { ...process.env, VATTENTION_RESULTS_DIR: folder },
      // One that hangs must not take the others' time.
      timeout: Math.round(2500 * Math.max(seconds, 60)),
    },
  )
  if (status !== 0) failures.push(`${name}: ${signal ?? `exit code ${status}`}`)
}

console.log(`\n=== ${Math.round(since())} s, results in ${folder}`)
const written = (existsSync(folder) ? readdirSync(folder) : []).filter(
  (file) => /^gpu-.*\.json$/.test(file) && statSync(join(folder, file)).mtimeMs >= started,
)
for (const file of written) {
  const { bench, bars, skipped } = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const missed = bars.filter(({ met }) => met === false).length
  const met = bars.filter((bar) => bar.met).length
  console.log(`\n${bench}: ${met} of ${bars.length} bars met, ${missed} missed`)
  for (const bar of bars) console.log(barLine(bar))
  for (const { case: name, reason } of skipped) console.log(`  skipped ${name}: ${reason}`)
}
for (const failure of failures) console.log(`failed: ${failure}`)
process.exitCode = failures.length > 0 ? 1 : 0
