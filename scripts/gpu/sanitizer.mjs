// NVIDIA's compute-sanitizer, to take along: machines have it only with a CUDA toolkit.
import { cpSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { ensureArtifact } from '../fetch.mjs'

/** Puts it into `app/sanitizer`, downloading it first if need be. */
export async function placeSanitizer(app, env) {
  const from = await ensureArtifact('computeSanitizer', { env })
  const to = join(app, 'sanitizer')
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(from))
    cpSync(join(from, name), join(to, name), { recursive: true })
}
