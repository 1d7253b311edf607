// `npm run bench -- <command>`: builds what benchmarks and reports need, and runs it from here.
//
//   npm run bench -- report bench/results/*.json
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { bootstrap, root } from './bootstrap.mjs'
import { runNxQuietly } from './nx.mjs'
import { BootstrapError, runMain } from './progress.mjs'

await runMain(async () => {
  const env = await bootstrap()
  const { status, output } = await runNxQuietly(
    ['run-many', '-t', 'build', '-p', '@vattention/bench'],
    env,
  )
  if (status !== 0) throw new BootstrapError(`${output}\nThe build failed: the reason is above.`)
  const command = [join(root, 'bench/dist/bin.js'), ...process.argv.slice(2)]
  return spawnSync(process.execPath, command, { stdio: 'inherit' }).status ?? 1
})
