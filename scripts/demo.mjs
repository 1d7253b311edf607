// `npm run demo`: from a fresh clone to a real model answering out of both caches. Bootstraps,
// builds what the command needs, and runs it; arguments are passed on (npm run demo -- --help).
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { modelFile } from './artifacts.mjs'
import { bootstrap, root } from './bootstrap.mjs'
import { runNxQuietly } from './nx.mjs'
import { BootstrapError, runMain, say } from './progress.mjs'

await runMain(async () => {
  const env = await bootstrap({ artifacts: ['model'] })
  say('Building what has changed (all of it the first time: a minute or two)')
  const { status, output } = await runNxQuietly(
    ['run-many', '-t', 'build', 'build:native', '--exclude=@vattention/conformance'],
    env,
  )
  if (status !== 0) throw new BootstrapError(`${output}\nThe build failed: the reason is above.`)
  const command = join(root, 'packages/vattention/dist/bin.js')
  const args = [command, 'demo', '--model', modelFile(env), ...process.argv.slice(2)]
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
})
