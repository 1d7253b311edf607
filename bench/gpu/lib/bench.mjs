// How every bench here begins and ends.
import { openDevice, Unavailable } from './device.mjs'
import { parseOptions, UsageError } from './options.mjs'
import { Result } from './result.mjs'
import { mulberry32 } from './statistics.mjs'

/**
 * Runs a bench. Without a GPU it says why, writes nothing, and that is no failure.
 *
 * @param {object} bench
 * @param {string} bench.name
 * @param {'kernel' | 'memory'} bench.kind
 * @param {string} bench.about What it measures, for --help and the result.
 * @param {object} [bench.options] Its own: see parseOptions.
 * @param {(options: object) => { protocol: object, workload: object }} bench.describe
 * @param {(context: { gpu: object, options: object, result: Result, random: () => number }) => Promise<void>} bench.run
 */
export async function runBench({ name, kind, about, options: own, describe, run }) {
  let options
  try {
    options = parseOptions(name, about, own)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\nSee --help.`)
    process.exitCode = 2
    return
  }
  if (options.help) {
    console.log(options.help)
    return
  }
  let gpu
  try {
    gpu = openDevice(options.device)
  } catch (error) {
    // The addon that is not built is as good as no GPU.
    const missing = error instanceof Unavailable || error?.code === 'ERR_VATTENTION_NATIVE_LOAD'
    if (!missing) throw error
    console.log(`${name}: not measured, nothing written: ${error.message.replace(/\s+/g, ' ')}`)
    return
  }
  console.log(`${name} on ${gpu.name}${options.quick ? ', a smoke run' : ''}`)
  const result = new Result({ bench: name, kind, what: about, ...describe(options) }, options, gpu)
  try {
    await run({ gpu, options, result, random: mulberry32(options.seed) })
    result.finish()
  } finally {
    gpu.dispose()
  }
}
