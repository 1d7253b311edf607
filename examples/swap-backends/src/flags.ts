/** The command line. */
import { parseArgs } from 'node:util'
import { dtypes, type DType } from '@vattention/interface'

import { backendMakers } from './backends.ts'
import { cacheNames } from './caches.ts'

/** What `--help` prints. */
export const usage = `Serves a handful of prompts from any KV cache and any attention backend.

  --all              every combination, one after the other; fails if their tokens differ
  --cache <name>     ${cacheNames}
                     (default: contiguous)
  --backend <name>   ${Object.keys(backendMakers).join(' or ')} (default: the first that can serve)
  --kv-dtype <type>  of keys and values (default: float32)
  --tokens <n>       tokens of each answer (default: 8)
  --model <file>     a GGUF file (default: the demo's model, where \`npm run demo\` has fetched it)
  --shape <name>     random weights of a published shape instead (default without a model: smollm2-135m)`

/** The flags, checked. */
export interface Flags {
  readonly help: boolean
  readonly all: boolean
  readonly cache: string
  readonly backend?: string
  readonly kvDtype: DType
  readonly tokens: number
  readonly model?: string
  readonly shape?: string
}

/** @throws TypeError saying which flag is wrong. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      all: { type: 'boolean', default: false },
      cache: { type: 'string' },
      backend: { type: 'string' },
      'kv-dtype': { type: 'string', default: 'float32' },
      tokens: { type: 'string', default: '8' },
      model: { type: 'string' },
      shape: { type: 'string' },
    },
  })
  const { help, all, cache, backend, model, shape } = values
  const tokens = Number(values.tokens)
  if (!(Number.isInteger(tokens) && tokens >= 1 && tokens <= 200)) {
    throw new TypeError(`--tokens: an integer from 1 to 200 expected, found ${values.tokens}`)
  }
  const kvDtype = values['kv-dtype'] as DType
  if (!dtypes.includes(kvDtype)) {
    throw new TypeError(`--kv-dtype: one of ${dtypes.join(', ')} expected, found ${kvDtype}`)
  }
  if (all && (cache !== undefined || backend !== undefined)) {
    throw new TypeError('--all runs every cache and backend: leave --cache and --backend out')
  }
  if (model !== undefined && shape !== undefined) {
    throw new TypeError('--model and --shape exclude each other')
  }
  return {
    help,
    all,
    cache: cache ?? 'contiguous',
    kvDtype,
    tokens,
    ...(backend === undefined ? {} : { backend }),
    ...(model === undefined ? {} : { model }),
    ...(shape === undefined ? {} : { shape }),
  }
}
