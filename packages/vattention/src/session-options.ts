import { freemem } from 'node:os'
import { Option, type Command } from 'commander'

import { bytes, integer, layout } from './cli/option-values.ts'
import { UsageError } from './cli/usage-error.ts'
import { knownBackends } from './backends.ts'

/** What `addSessionOptions` puts on a command. */
export interface SessionFlags {
  readonly model?: string
  readonly weights?: 'auto' | 'bfloat16' | 'float32' | 'random'
  readonly shape?: string
  readonly cache: CacheName
  readonly backend?: string
  readonly layout?: 'split' | 'interleaved' | { layerGroup: number }
  readonly limit?: number
  readonly pageBytes?: number[]
  readonly blockTokens?: number
  readonly maxSequences: number
  readonly maxLength?: number
  readonly tokenBudget?: number
  readonly threads?: number
}

/** The caches that the command knows. */
export type CacheName = 'vattention' | 'paged'

const most = 2 ** 30

/** Options that every command with a model and a cache has. */
export function addSessionOptions(command: Command): Command {
  const backends = knownBackends.map(({ name }) => name).join(', ')
  return command
    .option('-m, --model <path>', 'GGUF file, or folder with safetensors; default: the demo model')
    .addOption(
      new Option('--weights <kind>', 'how weights are kept; random needs --shape and no model')
        .choices(['auto', 'bfloat16', 'float32', 'random'])
        .default('auto'),
    )
    .option('--shape <name>', 'shape of a model with random weights, llama-3-8b for example')
    .addOption(
      new Option('--cache <kind>', 'the KV cache')
        .choices(['vattention', 'paged'])
        .default('vattention'),
    )
    .option('--backend <name>', `attention backend, never replaced: ${backends}`)
    .option('--layout <layout>', 'vattention: split, interleaved or layer-group=N', layout)
    .option(
      '--page-bytes <sizes>',
      'vattention: page size classes, 64KiB,2MiB for example',
      (text) => text.split(',').map(bytes),
    )
    .option('--block-tokens <n>', 'paged: tokens per block (default: 16)', integer(1, 256))
    .option('--limit <size>', 'most memory of the KV cache, 512MiB for example', bytes)
    .option('--max-sequences <n>', 'requests served at a time', integer(1, most), 32)
    .option(
      '--max-length <tokens>',
      "longest sequence (default: the model's, at most 8192)",
      integer(2, most),
    )
    .option('--token-budget <n>', 'tokens computed in one pass', integer(1, most))
    .option('--threads <n>', 'CPU threads (default: all cores it may use)', integer(1, 1024))
}

/** Refuses options of the other cache: nothing that was asked for is ignored. */
export function checkSessionFlags(flags: SessionFlags): void {
  const wrong = (name: string, cache: CacheName) =>
    new UsageError(
      `--${name} is an option of --cache ${cache}; this run has --cache ${flags.cache}.`,
    )
  if (flags.cache === 'paged') {
    if (flags.layout !== undefined) throw wrong('layout', 'vattention')
    if (flags.pageBytes !== undefined) throw wrong('page-bytes', 'vattention')
  } else if (flags.blockTokens !== undefined) {
    throw wrong('block-tokens', 'paged')
  }
  if (flags.weights === 'random') {
    if (flags.shape === undefined) throw new UsageError('--weights random needs --shape <name>.')
    if (flags.model !== undefined)
      throw new UsageError('--weights random and --model exclude each other.')
  } else if (flags.shape !== undefined) {
    throw new UsageError('--shape is for --weights random.')
  }
}

/** Memory of the cache unless --limit says otherwise: a quarter of what is free, at most 1 GiB. */
export function defaultLimitBytes(): number {
  return Math.max(64 * 2 ** 20, Math.min(2 ** 30, Math.floor(freemem() / 4)))
}
