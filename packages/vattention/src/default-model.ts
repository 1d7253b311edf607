import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { UsageError } from './cli/usage-error.ts'

/** Where the workspace's set-up puts the model of the demo, inside the folder of downloads. */
const demoModel = 'smollm2-135m-instruct-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf'

/**
 * The model to use: what was asked for, else the demo's if it has been fetched.
 * @throws UsageError when there is none, saying how to get one.
 */
export function resolveModelPath(asked: string | undefined, env = process.env): string {
  if (asked !== undefined) return asked
  const cache =
    env.VATTENTION_CACHE_DIR || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vattention')
  const path = join(cache, demoModel)
  if (existsSync(path)) return path
  throw new UsageError(
    'Name a model with --model <file or folder>: a .gguf file, or a folder with config.json, ' +
      'tokenizer.json and safetensors. (`npm run demo` in the repository fetches a small one, which is then the default.)',
  )
}
