// Builds the addons, packages/<p>/addon.node, in one CMake tree with the libraries that they share.
// The tree stays, so builds are incremental.
//
//   npm run build:native             all of them
//   npm run build:native -- core     one package's
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { nativeEnvironment, root } from './bootstrap.mjs'
import { prepareBuildFolder } from './build-folder.mjs'
import { runMain } from './progress.mjs'

await runMain(async () => {
  const [name] = process.argv.slice(2)
  const env = await nativeEnvironment()
  const project = join(root, 'native')
  const out = join(project, 'build')
  prepareBuildFolder(out, env)
  const require = createRequire(import.meta.url)
  const manifest = require.resolve('cmake-js/package.json')
  const cmakeJs = join(dirname(manifest), require(manifest).bin['cmake-js'])
  const run = (...args) => {
    const options = ['--directory', project, '--out', out, '--generator', 'Ninja']
    options.push('--log-level', 'warn')
    const all = [cmakeJs, ...args, ...options]
    return spawnSync(process.execPath, all, { env, stdio: 'inherit' }).status ?? 1
  }
  // The tests may have configured the tree, without Node's headers.
  return run('configure') || run('build', '--target', name ? `${name}_addon` : 'addons')
})
