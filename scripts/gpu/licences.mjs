// The licences of everything in a bundle that is not this repository's.
import { cpSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { artifactFolder, artifacts } from '../artifacts.mjs'

const isLicence = (name) => /^(licen[cs]e|notice|copying|authors|third-party)/i.test(name)

/** Artifacts that are tools or data: nothing of them is in what a build produces. */
const notShipped = ['ninja', 'clangFormat', 'ccache', 'model']

/** Where an installation of Node may keep its licence. */
function nodeLicence(node) {
  const prefix = dirname(dirname(node))
  const places = ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/node/LICENSE']
  places.push('share/doc/nodejs/copyright', 'share/licenses/nodejs/LICENSE')
  return places.map((place) => join(prefix, place)).find((file) => existsSync(file))
}

/** Where distributions keep the licence of the compiler's libraries. */
const compilerLicences = [
  '/usr/share/doc/libstdc++6/copyright',
  '/usr/share/doc/libgcc-s1/copyright',
  '/usr/share/licenses/libstdc++/COPYING3',
  '/usr/share/licenses/libgcc/COPYING3',
]

/**
 * Copies them into `folder`.
 *
 * @param {string} root The repository.
 * @param {readonly string[]} inlined npm packages in the JavaScript, as folders relative to `root`.
 * @param {string} node The Node executable.
 */
export function placeLicences(root, folder, inlined, node, env = process.env) {
  /** What is named like a licence in `from`, into a folder of its own. */
  const copyFrom = (from, name) => {
    const files = readdirSync(from).filter((file) => isLicence(file))
    const to = join(folder, name)
    mkdirSync(to, { recursive: true })
    for (const file of files) {
      if (statSync(join(from, file)).isFile()) cpSync(join(from, file), join(to, file))
    }
  }
  mkdirSync(folder, { recursive: true })
  for (const file of ['LICENSE', 'NOTICE']) cpSync(join(root, file), join(folder, file))
  for (const from of inlined) {
    copyFrom(join(root, from), join('npm', from.replace(/^.*node_modules\//, '')))
  }
  for (const name of Object.keys(artifacts).filter((each) => !notShipped.includes(each))) {
    const from = artifactFolder(name, env)
    if (!existsSync(from)) continue
    copyFrom(from, name)
    const documents = join(from, 'share/doc', name)
    if (existsSync(documents)) copyFrom(documents, name)
  }
  const found = nodeLicence(node)
  mkdirSync(join(folder, 'node'), { recursive: true })
  if (found) cpSync(found, join(folder, 'node/LICENSE'))
  else {
    writeFileSync(
      join(folder, 'node/LICENSE'),
      `Node.js ${process.version}: its licence is the file LICENSE of its sources.\n`,
    )
  }
  const compiler = compilerLicences.filter((file) => existsSync(file))
  mkdirSync(join(folder, 'gcc'), { recursive: true })
  compiler.forEach((file, index) => cpSync(file, join(folder, 'gcc', `copyright-${index + 1}`)))
}
