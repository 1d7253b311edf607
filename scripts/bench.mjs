// `npm run bench -- <suite>`: builds what benchmarks and reports need, and runs them from here.
//
//   npm run bench -- decode --quick
//   npm run bench -- report bench/results/*.json
import { spawn } from 'node:child_process'
import { join } from 'node:path'

import { bootstrap, root } from './bootstrap.mjs'
import { runNxQuietly } from './nx.mjs'
import { BootstrapError, runMain } from './progress.mjs'

const args = process.argv.slice(2)
/** Suites that run the model of the demo. */
const withModel = ['serve-offline', 'serve-online', 'peers']

/** The command's exit status; Ctrl-C is its own to handle. */
function run(command) {
  process.on('SIGINT', () => undefined)
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { stdio: 'inherit', cwd: root })
    child.on('error', reject)
    child.on('close', (status) => resolve(status ?? 1))
  })
}

await runMain(async () => {
  const env = await bootstrap(withModel.includes(args[0]) ? { artifacts: ['model'] } : {})
  const { status, output } = await runNxQuietly(
    // A report is read where nothing native can be built, too.
    args[0] === 'report'
      ? ['run-many', '-t', 'build', '-p', '@vattention/bench']
      : ['run-many', '-t', 'build', 'build:native', '--exclude=@vattention/conformance,vattention'],
    env,
  )
  if (status !== 0) throw new BootstrapError(`${output}\nThe build failed: the reason is above.`)
  return run([join(root, 'bench/dist/bin.js'), ...args])
})
