import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Report } from './render.ts'

/**
 * Writes `index.html` and the plots beside it; the folder is made.
 *
 * @returns the page's path
 */
export async function writeReport(folder: string, { html, svgs }: Report): Promise<string> {
  await mkdir(folder, { recursive: true })
  for (const [name, text] of svgs) await writeFile(join(folder, `${name}.svg`), text)
  const path = join(folder, 'index.html')
  await writeFile(path, html)
  return path
}
