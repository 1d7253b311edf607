// `npm run gpu:bundle`: one folder that runs on a GPU machine with nothing installed. Packs what is
// built; addons without CUDA and the native tests are brought up to date first.
//
//   npm run gpu:bundle                          into build/gpu-bundle
//   npm run gpu:bundle -- --out /media/stick    elsewhere
//   npm run gpu:bundle -- --without engine      leaves a part out: a package's addon,
//                                              native-tests, native-benches
//   npm run gpu:bundle -- --sanitizer           with compute-sanitizer, for test --sanitize
//   npm run gpu:bundle -- --no-build            packs what is there
//
// docs/guide/gpu-bundle.md says how it is used.
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { bootstrap, root } from './bootstrap.mjs'
import { buildGpuParts } from './gpu/build.mjs'
import { BootstrapError, mebibytes, runMain, say } from './progress.mjs'

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        out: { type: 'string', default: join(root, 'build/gpu-bundle') },
        without: { type: 'string', multiple: true, default: [] },
        sanitizer: { type: 'boolean', default: false },
        'no-build': { type: 'boolean', default: false },
      },
    })
    return { ...values, out: resolve(values.out) }
  } catch (error) {
    throw new BootstrapError(error.message)
  }
}

await runMain(async () => {
  const options = readOptions()
  if (!options['no-build']) buildGpuParts(await bootstrap())
  const { makeBundle } = await import('./gpu/bundle.mjs') // needs the npm packages
  say('Packing (compressing what has changed: Node takes half a minute, once)')
  const { out, without, sanitizer } = options
  const { bytes } = await makeBundle({ root, out, without, sanitizer })
  console.log(`${out}: ${mebibytes(bytes)}. Copy the folder; there: bash run.sh test`)
})
