import type { SuiteContext } from '../../suite/index.ts'
import {
  findLaunchProgram,
  notBuilt,
  runLaunchProgram,
  type LaunchOutput,
} from '../native/launch-program.ts'
import {
  findOverheadProgram,
  overheadNotBuilt,
  runOverheadProgram,
  type NativeCalls,
  type NativePasses,
  type OverheadOutput,
} from '../native/overhead-program.ts'
import type { ProgramOptions } from '../native/program.ts'
import type { EmptyCalls } from './measure-call.ts'
import type { Overhead } from './measure.ts'

/** The same as from JavaScript, through the backends' C tables, in a process of its own. */
export interface NativeOverhead {
  passes(context: SuiteContext, about: Overhead): Promise<readonly NativePasses[]>
  /** Of the CPU. */
  calls(context: SuiteContext, about: EmptyCalls): Promise<readonly NativeCalls[]>
}

const fromCpp = 'the same calls from C++'

/** Runs the programs of `bench/native`. What there is not is skipped, with the command that builds it. */
export const nativeOverhead: NativeOverhead = {
  async passes(context, about) {
    const { sequences, length, passes } = about
    const own = ['--passes', String(passes)]
    if (context.device.isGpu) {
      const args = ['--what', 'cpu', ...own]
      return (await outputOf(context, launchProgram, args))?.cpu ?? []
    }
    own.push('--sequences', String(sequences), '--length', String(length))
    return (await onCpu(context, about, 'passes', own))?.cpu ?? []
  },

  async calls(context, about) {
    const { calls, samples, batches } = about
    const own = ['--calls', String(calls), '--samples', String(samples)]
    own.push('--batches', batches.join(','))
    return (await onCpu(context, about, 'calls', own))?.calls ?? []
  },
}

const launchProgram = { find: findLaunchProgram, notBuilt, run: runLaunchProgram }

const overheadProgram = {
  find: findOverheadProgram,
  notBuilt: overheadNotBuilt,
  run: runOverheadProgram,
}

async function onCpu(
  context: SuiteContext,
  { shape, caches }: Pick<Overhead, 'shape' | 'caches'>,
  what: 'passes' | 'calls',
  own: readonly string[],
): Promise<OverheadOutput | undefined> {
  const { backends } = context.settings
  // It is of the CPU's backend.
  if (backends && !backends.includes('cpu')) return undefined
  const { layers, queryHeads, kvHeads, headDim, dtype } = shape
  return outputOf(context, overheadProgram, [
    ...['--what', what, '--shape', [layers, queryHeads, kvHeads, headDim].join('/')],
    ...['--dtype', dtype, '--caches', caches.map(({ name }) => name).join(','), ...own],
  ])
}

/** What a program prints; undefined, with the reason recorded, when it could not. */
async function outputOf<Output extends Pick<LaunchOutput, 'unavailable' | 'skipped'>>(
  { recorder, settings, signal }: SuiteContext,
  program: {
    readonly find: () => string | undefined
    readonly notBuilt: string
    readonly run: (
      file: string,
      args: readonly string[],
      options: ProgramOptions,
    ) => Promise<Output>
  },
  args: readonly string[],
): Promise<Output | undefined> {
  const file = program.find()
  if (file === undefined) {
    recorder.skip(fromCpp, program.notBuilt)
    return undefined
  }
  try {
    const output = await program.run(file, [...args, '--seed', String(settings.seed)], { signal })
    if (output.unavailable) recorder.skip(fromCpp, output.unavailable)
    for (const one of output.skipped ?? []) recorder.skip(`C++: ${one.case}`, one.reason)
    return output
  } catch (error) {
    recorder.skip(fromCpp, signal.aborted ? 'interrupted' : error)
    return undefined
  }
}
