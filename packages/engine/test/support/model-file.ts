/** The model that the bootstrap of `npm test` fetched. A missing file fails the tests that need it. */
import { existsSync } from 'node:fs'

import { modelFile } from '../../../../scripts/artifacts.mjs'

/** Path of SmolLM2-135M-Instruct. */
export function smolLm2(): string {
  const path = modelFile()
  if (!existsSync(path)) {
    throw new Error(`${path} is missing: run "npm run bootstrap", which fetches it.`)
  }
  return path
}
