// The command line that all benches here understand, and each one's own options besides.
import { parseArgs } from 'node:util'

/** A command line that cannot be meant: exit code 2. */
export class UsageError extends Error {
  name = 'UsageError'
}

const shared = {
  quick: { type: 'boolean', about: 'a smoke run: fewer cases and rounds, never to be published' },
  budget: {
    type: 'string',
    value: 'SECONDS',
    about: 'measure for about so long; rounds are fewer then',
  },
  device: {
    type: 'string',
    value: 'N',
    about: 'which GPU, default 0; cpu: tries the bench itself, small and without a result',
  },
  seed: { type: 'string', value: 'N', about: 'of orders, data and resamples, default 20240507' },
  out: {
    type: 'string',
    value: 'FOLDER',
    about: 'where the result goes, default $VATTENTION_RESULTS_DIR or bench/results',
  },
  help: { type: 'boolean', about: 'this text' },
}

const number =
  (least, integer = true) =>
  (text, name) => {
    const value = Number(text)
    const fits = text.trim() !== '' && value >= least && (!integer || Number.isInteger(value))
    if (fits && Number.isFinite(value)) return value
    const kind = integer ? 'an integer' : 'a number'
    throw new UsageError(`--${name}: ${kind} of at least ${least} required, found "${text}".`)
  }

/** Readers of an option's text, for the `read` of a bench's own options. */
export const read = {
  count: number(1),
  index: number(0),
  seconds: number(0.1, false),
  list: (text) => text.split(',').map((item) => item.trim()),
  counts: (text, name) => read.list(text).map((item) => number(1)(item, name)),
  /** Of known names. */
  names: (known) => (text, name) => {
    const items = read.list(text)
    const wrong = items.find((item) => !known.includes(item))
    if (wrong === undefined) return items
    throw new UsageError(`--${name}: "${wrong}" is not known. Known: ${known.join(', ')}.`)
  },
}

/**
 * How long a bench measures: its own option.
 *
 * @param {number} seconds by default
 * @param {number} quick with --quick
 */
export const budgetOption = (seconds, quick) => ({
  value: 'SECONDS',
  about: `measure for about so long, default ${seconds}`,
  read: read.seconds,
  default: seconds,
  quick,
})

/** Tokens of the prompts that are prefilled. */
export const promptLengths = {
  value: 'LIST',
  about: 'tokens of the prompts',
  read: read.counts,
  default: [8192, 16384, 32768, 65536, 131072],
  quick: [8192, 32768],
}

const readers = {
  budget: read.seconds,
  device: (text, name) => (text === 'cpu' ? 'cpu' : read.index(text, name)),
  seed: read.index,
}

function usage(name, about, options) {
  const lines = Object.entries(options).map(([option, { value, about: text }]) => {
    const left = `  --${option}${value ? ` ${value}` : ''}`
    return `${left.padEnd(24)} ${text}`
  })
  return `node bench/gpu/${name}.mjs [options]\n\n${about}\n\n${lines.join('\n')}`
}

/**
 * Reads a bench's command line.
 *
 * @param {string} name The bench's.
 * @param {string} about What it measures.
 * @param {Record<string, { value?: string, about: string, read?: Function, default?: unknown, quick?: unknown }>} own
 * The bench's options; `value` absent: a flag. `quick`: the default with --quick.
 * @param {string[]} [args]
 * @returns {Record<string, any>} values by name, and `help` as the text when it is asked for
 * @throws {UsageError}
 */
export function parseOptions(name, about, own = {}, args = process.argv.slice(2)) {
  // Its own come first, and say more than what all understand.
  const all = { ...own, ...shared, ...own }
  const known = Object.fromEntries(
    Object.entries(all).map(([option, { type, value }]) => [
      option,
      { type: type ?? (value ? 'string' : 'boolean') },
    ]),
  )
  let given
  try {
    given = parseArgs({ args, options: known, strict: true }).values
  } catch (error) {
    throw new UsageError(error.message)
  }
  const values = { device: 0, seed: 20240507, ...given }
  values.quick = given.quick ?? given.device === 'cpu'
  for (const [option, { read: reader, default: standard, quick = standard }] of Object.entries(
    all,
  )) {
    const text = given[option]
    const reading = reader ?? readers[option]
    if (typeof text === 'string' && reading) values[option] = reading(text, option)
    else if (text === undefined && values[option] === undefined) {
      values[option] = values.quick ? quick : standard
    }
  }
  values.help = given.help ? usage(name, about, all) : undefined
  return values
}
