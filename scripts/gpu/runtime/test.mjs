// Runs everything that needs a GPU: the suites of the packages and the native tests.
//
//   test.mjs [filter] [options]
//
// filter: only cases whose name, with that of their suite, contains it: "flash-attention-2: shapes".
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { nativeTests, runNative } from './native-suite.mjs'
import { countsText, Report } from './report.mjs'
import { findSanitizer, shortSet } from './sanitizer.mjs'
import { runSuite, runWorker } from './supervisor.mjs'

const app = fileURLToPath(new URL('..', import.meta.url))
const nativeFolder = join(app, 'native')

const usage = `Usage: test [filter] [options]

  filter                  only cases whose "suite: case" contains this text
  --suite <text>          only suites whose name contains this text
  --list                  says what there is and runs nothing
  --report <file.json>    writes what became of each case
  --timeout-per-case <s>  a case that takes longer has failed (default 300; 3000 with --sanitize)
  --sanitize              under compute-sanitizer's memcheck: a case of each group, or the filtered
  --require-gpu           fails where there is no GPU, instead of skipping everything

Exit status: 0 nothing failed, 1 something did, 2 the command line is wrong.`

class UsageError extends Error {}

function readOptions(args) {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        suite: { type: 'string', default: '' },
        list: { type: 'boolean', default: false },
        report: { type: 'string' },
        filter: { type: 'string' },
        'timeout-per-case': { type: 'string' },
        sanitize: { type: 'boolean', default: false },
        'require-gpu': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const seconds = Number(values['timeout-per-case'] ?? (values.sanitize ? 3000 : 300))
    if (!(seconds > 0)) throw new Error('--timeout-per-case: a number of seconds required')
    if (positionals.length > 1) throw new Error('One filter at most: quote it')
    return { ...values, filter: values.filter ?? positionals[0], timeoutMs: seconds * 1000 }
  } catch (error) {
    throw new UsageError(error.message, { cause: error })
  }
}

/** The suites of one package, listed in a process of its own. */
async function listPackage(folder, name, timeoutMs) {
  const module = join(folder, name, 'index.js')
  const { events, end, output } = await runWorker({ task: 'list', module }, { timeoutMs })
  const listed = events.find(({ type }) => type === 'suites')
  if (listed) return listed.suites.map((suite, index) => ({ ...suite, module, index }))
  const broken = `packages/${name}/test/gpu could not be listed: the process ${end}\n${output}`
  return [{ name: `packages/${name}`, cases: [], broken }]
}

/** The suites of all packages, and the native tests. */
async function listSuites(timeoutMs) {
  const folder = join(app, 'suites')
  const packages = existsSync(folder) ? readdirSync(folder).sort() : []
  const listed = await Promise.all(packages.map((name) => listPackage(folder, name, timeoutMs)))
  const natives = nativeTests(nativeFolder).map((name) => ({ name, group: name }))
  return [...listed.flat(), ...(natives.length > 0 ? [{ name: 'native', cases: natives }] : [])]
}

/** Indexes of the cases that were asked for. */
function selectCases(suite, { filter, sanitize }) {
  if (filter === undefined) return sanitize ? shortSet(suite) : [...suite.cases.keys()]
  return [...suite.cases.keys()].filter((index) =>
    `${suite.name}: ${suite.cases[index].name}`.includes(filter),
  )
}

/** Runs what was selected of one suite. */
async function run(suite, indexes, report, options) {
  const { note, end } = report.begin(suite.name)
  if (suite.broken) {
    note({ name: 'the suites can be listed', status: 'failed', message: suite.broken })
    return end()
  }
  if (suite.module === undefined) {
    for (const index of indexes) {
      const { name } = suite.cases[index]
      note({ name, ...(await runNative(join(nativeFolder, name), options)) })
    }
    return end()
  }
  const onResult = ({ index, status, reason, message, milliseconds }) =>
    note({ ...suite.cases[index], status, reason, message, milliseconds })
  const what = { module: suite.module, suite: suite.index, cases: indexes }
  const { failure, memory } = await runSuite(what, { ...options, onResult })
  if (failure) note({ name: 'the suite runs to its end', status: 'failed', message: failure })
  return end(memory)
}

async function main(args) {
  const options = readOptions(args)
  if (options.help) {
    console.log(usage)
    return 0
  }
  const { timeoutMs, list } = options
  const listed = await listSuites(timeoutMs)
  const selected = listed
    .filter(({ name }) => name.includes(options.suite))
    .map((suite) => ({ suite, indexes: selectCases(suite, options) }))
    .filter(
      ({ suite, indexes }) =>
        indexes.length > 0 || suite.broken || (suite.unavailable && options.filter === undefined),
    )
  if (selected.length === 0)
    throw new UsageError('There is no such case: --list says what there is')
  if (list) {
    for (const { suite, indexes } of selected) {
      if (suite.unavailable ?? suite.broken)
        console.log(`${suite.name}: ${suite.unavailable ?? suite.broken}`)
      for (const index of indexes) console.log(`${suite.name}: ${suite.cases[index].name}`)
    }
    return 0
  }

  const sanitizer = options.sanitize ? findSanitizer(app) : undefined
  if (options.sanitize && !sanitizer) {
    throw new UsageError(
      'compute-sanitizer was not found: put it on the PATH, or make the bundle with --sanitizer',
    )
  }
  const probe = await runWorker({ task: 'probe' }, { timeoutMs })
  const device = probe.events.find(({ type }) => type === 'device') ?? {
    available: false,
    broken: true,
    reason: `The process that looked for a GPU ${probe.end}\n${probe.output}`,
  }
  const report = new Report({ gpu: device.gpu ?? null, sanitize: options.sanitize }, console.log)
  const { name, driver = 'unknown', cuda } = device.gpu ?? {}
  const found = `GPU: ${name}, driver ${driver}, CUDA ${cuda}`
  console.log(device.available ? found : `No GPU: ${device.reason}`)
  for (const { suite, indexes } of selected) {
    const titles = indexes.map((index) => suite.cases[index].name)
    // A suite that could not even be listed has failed, with or without a GPU.
    const reason = suite.unavailable ?? (device.available ? undefined : device.reason)
    if (reason !== undefined && !suite.broken) {
      report.skip(suite.name, titles.length > 0 ? titles : ['all of it'], reason)
      if (suite.unavailable) console.log(`  ${suite.unavailable}`)
    } else {
      await run(suite, indexes, report, { timeoutMs, ...sanitizer })
    }
  }
  if (options.report !== undefined) report.write(resolve(options.report))
  console.log(countsText(report.counts))
  if (device.broken || (options['require-gpu'] && !device.available)) return 1
  return report.counts.failed === 0 ? 0 : 1
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}\n\n${usage}`)
  process.exitCode = 2
}
