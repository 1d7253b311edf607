// How much a bundle weighs as it travels.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { BootstrapError, mebibytes } from '../progress.mjs'

/** What tools that copy folders to GPU machines take, with room for the rest of a repository. */
export const largestBundle = 60 * 2 ** 20

/** Files below a folder with their sizes, the largest first. */
export function filesBySize(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, path, name }) => {
      const file = join(parentPath ?? path, name) // `path` before Node 20.12
      return { name: file.slice(folder.length + 1), bytes: statSync(file).size }
    })
    .sort((a, b) => b.bytes - a.bytes)
}

/** One line for each file of at least a tenth of a mebibyte. */
export const sizeTable = (files) =>
  files
    .filter(({ bytes }) => bytes >= 2 ** 20 / 10)
    .map(({ name, bytes }) => `  ${mebibytes(bytes).padStart(9)}  ${name}`)
    .join('\n')

/**
 * Sums a bundle up.
 *
 * @returns {number} bytes
 * @throws BootstrapError with the size of every part, when it is too large.
 */
export function checkSize(folder, limit = largestBundle) {
  const files = filesBySize(folder)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  if (bytes <= limit) return bytes
  throw new BootstrapError(
    `The bundle has ${mebibytes(bytes)}, and ${mebibytes(limit)} is the limit:\n${sizeTable(files)}\n` +
      'Leave parts out (--without engine), or build fewer kernels: npm run build:cuda -- --help.',
  )
}
