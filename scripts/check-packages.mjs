// Packs every package and checks what its users will get: publint (is the package.json right?) and
// attw (do the types resolve for every kind of importer?).
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { bootstrap, root } from './bootstrap.mjs'
import { runNx } from './nx.mjs'
import { pack, publishedPackages } from './pack.mjs'
import { runMain } from './progress.mjs'

await runMain(async () => {
  const env = await bootstrap()
  if (runNx(['run-many', '-t', 'build', 'build:native'], env) !== 0) return 1
  const stage = mkdtempSync(join(tmpdir(), 'vattention-stage-'))
  let failed = 0
  let passed = 0
  const check = (name, tool, ...args) => {
    const { status, stdout, stderr } = spawnSync(tool, args, { cwd: root, env, encoding: 'utf8' })
    if (status === 0) passed++
    else failed++
    console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}: ${tool.split('/').pop()}`)
    if (status !== 0) console.log(`${stdout}${stderr}`)
  }
  try {
    for (const { name, folder, tarball } of pack(publishedPackages(), stage, env, {
      withoutCuda: true,
    })) {
      const bin = (tool) => join(root, 'node_modules/.bin', tool)
      check(name, bin('publint'), '--strict', folder)
      // Platform packages hold no types.
      if (!/-(linux|darwin)-(x64|arm64)$/.test(name))
        check(name, bin('attw'), '--profile', 'node16', tarball)
    }
  } finally {
    rmSync(stage, { recursive: true })
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
})
