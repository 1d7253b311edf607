// The command line of `npm run build:cuda`.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

import { nearest } from '../nearest.mjs'
import { BootstrapError } from '../progress.mjs'

/** What may be named, in the order in which it is built; the packages are the default. */
export const packages = ['flash-attention-2', 'flash-attention-3', 'flashinfer', 'paged-attention']
export const targets = [...packages, 'tests', 'benches', 'examples']

const lists = {
  arch: { known: ['90a', '89', '86', '80'], default: ['90a', '80'] },
  'head-dims': { known: ['64', '96', '128', '192', '256'], default: ['64', '128'] },
  dtypes: { known: ['bf16', 'fp16'], default: ['bf16', 'fp16'] },
}
const flags = ['soft-cap', 'fp8', 'help']
const numbers = ['jobs']

export const usage = `npm run build:cuda -- [TARGET...] [OPTION...]

Builds the addons that run on NVIDIA GPUs. Needs neither a CUDA toolkit nor a GPU.

TARGET               ${targets.join(', ')}
                     (default: the packages). examples: own-engine-cuda, over FlashAttention-2
                     and what else is named beside it
--arch LIST          GPUs: ${lists.arch.known.join(', ')} (default ${lists.arch.default.join(',')})
                     FlashAttention-3 is built for 90a only.
--head-dims LIST     ${lists['head-dims'].known.join(', ')} (default ${lists['head-dims'].default.join(',')})
--dtypes LIST        ${lists.dtypes.known.join(', ')} (default ${lists.dtypes.default.join(',')})
--soft-cap           kernels that cap scores, too
--fp8                kernels that read e4m3, too
--jobs N             files compiled at a time (default: as many as cores and memory allow)

Lists are separated by commas.`

/** A command line that cannot be meant: exit code 2. */
export class UsageError extends BootstrapError {
  name = 'UsageError'
  exitCode = 2
}

/** `found` is none of `known`. */
function unknown(what, found, known) {
  const near = nearest(found, known)
  const hint = near ? `Did you mean ${near}?` : `Known: ${known.join(', ')}.`
  return new UsageError(`${what} ${found} is not known. ${hint}`)
}

/** The values of a list option, each once, in the order of `known`. */
function listValue(name, text) {
  const { known, default: standard } = lists[name]
  if (text === undefined) return standard
  const values = text.split(',').map((value) => value.trim())
  for (const value of values) {
    if (!known.includes(value)) throw unknown(`--${name}: the value`, value || '""', known)
  }
  return known.filter((value) => values.includes(value))
}

function jobsValue(text) {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,3}$/.test(text)) {
    throw new UsageError(`--jobs: an integer of at least 1 required, found ${text || '""'}.`)
  }
  return Number(text)
}

/**
 * @typedef {object} BuildOptions
 * @property {string[]} targets What to build, in the order of `targets`.
 * @property {string[]} archs
 * @property {string[]} headDims
 * @property {string[]} dtypes
 * @property {boolean} softCap
 * @property {boolean} fp8
 * @property {number} jobs Files compiled at a time, memory permitting.
 * @property {boolean} help Whether only `usage` is wanted.
 */

/**
 * Reads a command line.
 *
 * @param {string[]} args
 * @returns {BuildOptions}
 * @throws {UsageError} naming what is wrong and the nearest known name.
 */
export function parseBuildOptions(args) {
  const withValue = [...Object.keys(lists), ...numbers]
  const options = {}
  for (const name of withValue) options[name] = { type: 'string' }
  for (const name of flags) options[name] = { type: 'boolean' }
  const { tokens } = parseArgs({
    args,
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })

  const values = {}
  const named = []
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (!targets.includes(token.value)) throw unknown('The target', token.value, targets)
      named.push(token.value)
    } else if (token.kind === 'option') {
      const { name, rawName, value } = token
      if (rawName !== `--${name}` || !(name in options)) {
        throw unknown(
          'The option',
          rawName,
          [...withValue, ...flags].map((each) => `--${each}`),
        )
      }
      const wanted = withValue.includes(name)
      if (wanted && (value === undefined || value.startsWith('--'))) {
        throw new UsageError(`--${name} needs a value.`)
      }
      if (!wanted && value !== undefined) throw new UsageError(`--${name} takes no value.`)
      values[name] = value ?? true
    }
  }

  const archs = listValue('arch', values.arch)
  const hopper = archs.includes('90a')
  if (!hopper && named.includes('flash-attention-3')) {
    throw new UsageError('flash-attention-3 is built for 90a only: add it to --arch.')
  }
  const wanted = named.length > 0 ? named : packages
  return {
    targets: targets.filter(
      (name) => wanted.includes(name) && (hopper || name !== 'flash-attention-3'),
    ),
    archs,
    headDims: listValue('head-dims', values['head-dims']),
    dtypes: listValue('dtypes', values.dtypes),
    softCap: values['soft-cap'] ?? false,
    fp8: values.fp8 ?? false,
    jobs: jobsValue(values.jobs) ?? availableParallelism(),
    help: values.help ?? false,
  }
}
