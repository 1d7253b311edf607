// A staged app: a folder from which everything runs by its own Node, without npm. In a tree it is made
// of links to what is built there (npm run test:gpu); a bundle has the same in parts.
//
//   packages/ node_modules/ suites/          javascript.mjs
//   packages/<p>/*.node                      binaries.mjs
//   native/                                  native tests for a GPU and their list; native benches
//   runtime/                                 what runs them: the files of scripts/gpu/runtime
//   LICENSE NOTICE
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { placeAddons, placeNativeBenches, placeNativeTests } from './binaries.mjs'
import { bundleJavaScript } from './javascript.mjs'

export const runtimeFolder = fileURLToPath(new URL('runtime', import.meta.url))

/** The JavaScript of an app; returns the npm packages in it, see bundleJavaScript. */
export async function stageJavaScript(root, app) {
  const inlined = await bundleJavaScript(root, app)
  cpSync(runtimeFolder, join(app, 'runtime'), {
    recursive: true,
    filter: (file) => !file.endsWith('.sh') && !file.endsWith('.txt'),
  })
  for (const file of ['LICENSE', 'NOTICE']) cpSync(join(root, file), join(app, file))
  return inlined
}

/** A whole app for use in this tree. */
export async function stageTree(root, app) {
  rmSync(app, { recursive: true, force: true })
  mkdirSync(app, { recursive: true })
  await stageJavaScript(root, app)
  placeAddons(root, () => app, { link: true })
  placeNativeTests(root, app, { link: true })
  placeNativeBenches(root, app, { link: true })
}
