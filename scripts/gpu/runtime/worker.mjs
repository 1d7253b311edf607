// A process that runs cases of one suite, one after the other, and tells what became of each:
//
//   node --expose-gc worker.mjs <job.json>
//
// What happens is appended to the job's log, a line of JSON each, before anything else is done: it
// survives whatever becomes of the process. A case that fails ends it, since a CUDA error may have
// poisoned it; the caller starts another one behind that case.
import { openSync, readFileSync, writeSync } from 'node:fs'
import { inspect } from 'node:util'
import { pathToFileURL } from 'node:url'

import { probeDevice } from './device.mjs'
import { MemoryMeter } from './memory-meter.mjs'

/**
 * What a worker is to do.
 *
 * @typedef {object} Job
 * @property {'probe' | 'list' | 'run'} task  look for a GPU, list a module's suites, or run cases
 * @property {string} log  a file to append to
 * @property {string} [module]  exports `gpuSuites`
 * @property {number} [suite]  index in what that returns
 * @property {number[]} [cases]  indexes in the suite, in the order in which they run
 * @property {boolean} [measure]  whether memory left in use fails a case
 */

const job = /** @type {Job} */ (JSON.parse(readFileSync(process.argv[2], 'utf8')))
const log = openSync(job.log, 'a')
const tell = (event) => writeSync(log, `${JSON.stringify(event)}\n`)

async function readSuites() {
  const { gpuSuites } = await import(pathToFileURL(job.module).href)
  return gpuSuites()
}

/** An error as text for people: its stack without this file's frames. */
function describe(error) {
  if (!(error instanceof Error)) return `threw ${inspect(error)}`
  const text = error.stack ?? String(error)
  return text
    .split('\n')
    .filter((line) => !line.includes('worker.mjs') && !line.includes('node:internal'))
    .join('\n')
}

/** Runs one case and never throws. */
async function attempt(testCase) {
  try {
    await testCase.run()
    return { status: 'passed' }
  } catch (error) {
    // By name: the kit is another copy of the class than a package's own.
    if (error?.name === 'SkipCase') return { status: 'skipped', reason: error.message }
    return { status: 'failed', message: describe(error) }
  }
}

/** What became of a case once memory is looked at. */
async function measure(outcome, testCase, meter) {
  try {
    const leak = await meter?.leakOf(() => attempt(testCase))
    return leak ? { status: 'failed', message: leak } : outcome
  } catch (error) {
    return { status: 'failed', message: `The device is unusable behind it: ${describe(error)}` }
  }
}

async function run() {
  const { cases } = (await readSuites())[job.suite]
  const meter = job.measure ? new MemoryMeter() : undefined
  tell({ type: 'ready', usedBytes: meter?.usedBytes })
  for (const index of job.cases) {
    tell({ type: 'start', index })
    const started = performance.now()
    let outcome = await attempt(cases[index])
    if (outcome.status !== 'failed') outcome = await measure(outcome, cases[index], meter)
    tell({ type: 'result', index, ...outcome, milliseconds: performance.now() - started })
    if (outcome.status === 'failed') break
  }
  tell({ type: 'end', usedBytes: meter?.usedBytes, firstUseBytes: meter?.firstUseBytes })
}

if (job.task === 'probe') tell({ type: 'device', ...probeDevice() })
if (job.task === 'list') {
  const suites = await readSuites()
  tell({
    type: 'suites',
    suites: suites.map(({ name, unavailable, cases }) => ({
      name,
      unavailable,
      cases: cases.map((one) => ({ name: one.name, group: one.group ?? '' })),
    })),
  })
}
if (job.task === 'run') await run()
// Whatever a suite left running does not keep the process.
process.exit(0)
