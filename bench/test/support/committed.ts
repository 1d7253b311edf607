import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { readResult } from '../../src/index.ts'

const folder = fileURLToPath(new URL('../../results', import.meta.url))

/** Paths of the committed results, those of a machine in a folder of its own. */
export const committedFiles = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.json'))
  .sort()
  .map((name) => join(folder, name))

/** The committed results, or those whose paths match. */
export const committed = (which = /./) =>
  Promise.all(committedFiles.filter((path) => which.test(path)).map(readResult))
