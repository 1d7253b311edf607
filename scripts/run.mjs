// `npm test`: from a fresh clone to "N passed, N failed". Bootstraps, then checks lint and format,
// builds, type-checks, and runs every test: of the packages, of the scripts, and the native ones
// with and without sanitizers; what needs a GPU but no kernel also on a simulated one. nx caches what
// has not changed.
//
//   npm test -- --cuda    also compiles our sources for CUDA (fetches a compiler; Linux on x64)
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { bootstrap, root } from './bootstrap.mjs'
import { format } from './format.mjs'
import { runNx } from './nx.mjs'
import { runMain, say } from './progress.mjs'

if (process.env.VATTENTION_RUN) throw new Error('npm test called itself')

/** Scripts of projects that test, and the reports that they leave. */
const tests = { test: 'vitest', 'test:native': 'native', 'test:simulated': 'simulated' }

/** Projects of the workspace, as folders. */
function projects() {
  const inside = (folder) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder)).map((p) => join(folder, p))
      : []
  return [...inside('packages'), ...inside('examples'), 'native', 'scripts', 'bench']
}

/** Sums the reports that the projects' tests left; nx restores those of cached runs. */
function count(reports) {
  let passed = 0
  let failed = 0
  for (const file of reports.filter(existsSync)) {
    const report = JSON.parse(readFileSync(file, 'utf8'))
    if (!report.testResults) {
      passed += report.passed
      failed += report.failed
      continue
    }
    for (const suite of report.testResults) {
      const inState = (state) =>
        suite.assertionResults.filter(({ status }) => status === state).length
      passed += inState('passed')
      // A file that does not load has no tests, and still failed.
      failed += inState('failed') || Number(suite.status === 'failed')
    }
  }
  return { passed, failed }
}

await runMain(async () => {
  const started = Date.now()
  const { values } = parseArgs({ options: { cuda: { type: 'boolean', default: false } } })
  const env = {
    ...(await bootstrap({ artifacts: ['model', 'clangFormat', 'ccache'] })),
    VATTENTION_RUN: '1',
  }
  const reports = projects().flatMap((project) =>
    Object.values(tests).map((name) => join(root, project, 'reports', `${name}.json`)),
  )
  for (const file of reports) rmSync(file, { force: true })

  let checksPassed = 0
  let checksFailed = 0
  const check = (name, ok) => {
    if (ok) checksPassed++
    else checksFailed++
    say(`${ok ? 'ok    ' : 'FAILED'} ${name}`)
  }

  check('format', await format(false, env))
  const eslint = [
    join(root, 'node_modules/eslint/bin/eslint.js'),
    ...['.', '--max-warnings=0', '--cache', '--cache-strategy', 'content'],
    ...['--cache-location', join(root, 'node_modules/.cache/eslint/')],
  ]
  check(
    'lint',
    spawnSync(process.execPath, eslint, { cwd: root, env, stdio: 'inherit' }).status === 0,
  )

  if (values.cuda) {
    const script = join(root, 'scripts/cuda/check.mjs')
    const { status } = spawnSync(process.execPath, [script], { cwd: root, env, stdio: 'inherit' })
    check('sources for CUDA compile', status === 0)
  }

  const targets = ['build', 'build:native', 'typecheck', ...Object.keys(tests)]
  const status = runNx(['run-many', '-t', ...targets], env)

  // Tests that were ended before they could report have not passed.
  for (const project of projects()) {
    const manifest = join(root, project, 'package.json')
    const scripts = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).scripts : {}
    for (const [script, report] of Object.entries(tests)) {
      if (!scripts?.[script]) continue
      const file = join(root, project, 'reports', `${report}.json`)
      if (!existsSync(file)) check(`${project} ${script} left no report`, false)
    }
  }
  const { passed, failed } = count(reports)
  // A target that failed without a failing test (a build, a type error) is a failure too.
  const failures = checksFailed + (failed || Number(status !== 0))
  say(`Took ${Math.round((Date.now() - started) / 1000)} s.`)
  console.log(`${passed + checksPassed} passed, ${failures} failed`)
  return failures === 0 ? 0 : 1
})
