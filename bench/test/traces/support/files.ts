import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll } from 'vitest'

let folder: string | undefined
let files = 0

/** Writes a file of its own for a test; gone after the file's tests. Returns its path. */
export function fileOf(content: string | Uint8Array, name = 'trace'): string {
  folder ??= mkdtempSync(join(tmpdir(), 'vattention-traces-'))
  const path = join(folder, `${files++}-${name}`)
  writeFileSync(path, content)
  return path
}

/** A path that no file has. */
export function missingFile(): string {
  return `${fileOf('')}-missing`
}

afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true })
})
