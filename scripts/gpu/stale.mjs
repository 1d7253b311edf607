// Whether an addon for GPUs was built before its sources were changed: a bundle packs what is built.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

import { cudaAddons } from '../cuda/addons.mjs'

const isSource = (file) => /\.(cc|cu|cuh|h|in)$/.test(file)

/**
 * Folders with the sources of a package's addon, those that others share among them. Upstream's
 * kernels are pinned, and change with a file in here.
 */
const foldersOf = (name) => [
  join('native/attention', name.replaceAll('-', '_')),
  'native/attention/common',
  'native/attention/cuda',
  'native/include',
  'native/node',
  join('packages', name, 'native'),
]

/** Files below a folder that are compiled; none where there is no folder. */
const sourcesOf = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true })
        .filter((file) => isSource(file))
        .map((file) => join(folder, file))
    : []

/**
 * @param {string} root The repository.
 * @param {string} name Of a package.
 * @returns {{ addon: string, source: string } | undefined} the addon, and the source that was changed
 *   last, after it was built; undefined: up to date, not built or none for GPUs
 */
export function staleAddon(root, name) {
  const addon = cudaAddons[name] && join('packages', name, cudaAddons[name])
  if (!addon || !existsSync(join(root, addon))) return undefined
  const built = statSync(join(root, addon)).mtimeMs
  const [latest] = foldersOf(name)
    .flatMap((folder) => sourcesOf(join(root, folder)))
    .map((path) => ({ path, changed: statSync(path).mtimeMs }))
    .filter(({ changed }) => changed > built)
    .sort((a, b) => b.changed - a.changed)
  return latest && { addon, source: relative(root, latest.path) }
}
