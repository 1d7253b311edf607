import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { readResult } from '../../src/index.ts'

const folder = fileURLToPath(new URL('../../results', import.meta.url))

/** Paths of the committed results. */
export const committedFiles = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => join(folder, name))

/** The committed results, or those whose file names match. */
export const committed = (which = /./) =>
  Promise.all(committedFiles.filter((path) => which.test(path)).map(readResult))
