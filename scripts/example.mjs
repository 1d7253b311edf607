// `npm run example -- <name>`: builds one of examples/ and what it needs, and runs it.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { bootstrap, root } from './bootstrap.mjs'
import { runNxQuietly } from './nx.mjs'
import { BootstrapError, runMain } from './progress.mjs'

await runMain(async () => {
  const [name, ...rest] = process.argv.slice(2)
  const folder = join(root, 'examples', name ?? '')
  if (!name || !existsSync(join(folder, 'package.json'))) {
    // One in C++ has no package.json: its README says how to build and run it.
    const known = readdirSync(join(root, 'examples'))
      .filter((each) => existsSync(join(root, 'examples', each, 'package.json')))
      .join(', ')
    throw new BootstrapError(`Name an example: npm run example -- <name>. There are: ${known}.`)
  }
  const env = await bootstrap()
  const { name: project } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const { status, output } = await runNxQuietly(
    [
      'run-many',
      '-t',
      'build',
      'build:native',
      '-p',
      project,
      '@vattention/core',
      '@vattention/cpu',
      '@vattention/native',
    ],
    env,
  )
  if (status !== 0) throw new BootstrapError(`${output}\nThe build failed: the reason is above.`)
  return (
    spawnSync('npm', ['start', '--silent', '--', ...rest], { cwd: folder, stdio: 'inherit' })
      .status ?? 1
  )
})
