import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { Unavailable } from '../../harness/index.ts'

/** Where downloads are kept: `$VATTENTION_CACHE_DIR`, else `$XDG_CACHE_HOME/vattention`, else `~/.cache/vattention`. */
export function downloadFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env['VATTENTION_CACHE_DIR']) return env['VATTENTION_CACHE_DIR']
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'vattention')
}

/** The demo's model, as the workspace's set-up puts it into the folder of downloads. */
const demoModel = 'smollm2-135m-instruct-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf'

/**
 * The model to measure with: what was asked for, else the demo's.
 *
 * @throws Unavailable with what to run, when there is none
 */
export function modelPath(asked: string | undefined, env?: NodeJS.ProcessEnv): string {
  const path = asked ?? join(downloadFolder(env), demoModel)
  if (existsSync(path)) return path
  throw new Unavailable(
    asked === undefined
      ? `The demo's model is not there: ${path}. Run \`npm run bootstrap\` in the repository to fetch ` +
          'it, name another with --model FILE, or take random weights with --shape smollm2-135m.'
      : `There is no model ${asked}.`,
  )
}
